#include "base/duration.h"

#include "base/clock.h"

#include <string.h>

static const struct {
    const char *suffix;
    int64_t ns;
} units[] = {
    {"", CLOCK_NS_PER_S},       {"ms", CLOCK_NS_PER_MS},      {"s", CLOCK_NS_PER_S},
    {"m", 60 * CLOCK_NS_PER_S}, {"h", 3600 * CLOCK_NS_PER_S}, {"d", 24 * 3600 * CLOCK_NS_PER_S},
};

bool duration_parse(const char *text, int64_t *ns)
{
    int64_t number = 0, span;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, *at - '0', &number))
            return false;
    }
    if (at == text)
        return false;
    for (unsigned i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(at, units[i].suffix) == 0) {
            if (__builtin_mul_overflow(number, units[i].ns, &span))
                return false;
            *ns = span;
            return true;
        }
    return false;
}
