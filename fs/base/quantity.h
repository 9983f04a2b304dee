/* Numbers with a unit, as people write them. */
#ifndef LOCKFS_BASE_QUANTITY_H
#define LOCKFS_BASE_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *suffix; /* "" is the bare number */
    int64_t factor;
} QuantityUnit;

/* false: no number, another unit, or one that does not fit; *value is untouched. */
bool quantity_parse(const char *text, const QuantityUnit *units, size_t n, int64_t *value);

/* Bytes: 512k, 64m, 2g, 1t (by 1024), or a bare number. */
bool quantity_parse_bytes(const char *text, int64_t *bytes);

#endif
