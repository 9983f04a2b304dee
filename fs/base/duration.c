#include "base/duration.h"

#include "base/clock.h"
#include "base/quantity.h"

bool duration_parse(const char *text, int64_t *ns)
{
    static const QuantityUnit units[] = {
        {"", CLOCK_NS_PER_S},       {"ms", CLOCK_NS_PER_MS},      {"s", CLOCK_NS_PER_S},
        {"m", 60 * CLOCK_NS_PER_S}, {"h", 3600 * CLOCK_NS_PER_S}, {"d", 24 * 3600 * CLOCK_NS_PER_S},
    };
    return quantity_parse(text, units, sizeof units / sizeof *units, ns);
}
