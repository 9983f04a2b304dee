/* --timeout. */
#ifndef LOCKFS_CLI_DEADLINE_H
#define LOCKFS_CLI_DEADLINE_H

#include "status.h"

#include <stdint.h>

/* NULL is never. */
Status deadline_parse(const char *text, int64_t *deadline);

#endif
