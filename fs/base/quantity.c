#include "base/quantity.h"

#include <string.h>

bool quantity_parse(const char *text, const QuantityUnit *units, size_t n, int64_t *value)
{
    int64_t number = 0, product;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *at - '0', &number))
            return false;
    }
    if (at == text)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(at, units[i].suffix) != 0)
            continue;
        if (__builtin_mul_overflow(number, units[i].factor, &product))
            return false;
        *value = product;
        return true;
    }
    return false;
}

bool quantity_parse_bytes(const char *text, int64_t *bytes)
{
    static const QuantityUnit units[] = {
        {"", 1}, {"k", 1LL << 10}, {"m", 1LL << 20}, {"g", 1LL << 30}, {"t", 1LL << 40},
    };
    return quantity_parse(text, units, sizeof units / sizeof *units, bytes);
}
