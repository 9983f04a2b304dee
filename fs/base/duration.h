/* Spans of time as people write them: 500ms, 30s, 10m, 2h, 1d; a bare number is seconds. */
#ifndef LOCKFS_BASE_DURATION_H
#define LOCKFS_BASE_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* false: not a span, or one that does not fit; *ns is untouched. */
bool duration_parse(const char *text, int64_t *ns);

#endif
