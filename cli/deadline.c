#include "deadline.h"

#include "base/clock.h"
#include "base/duration.h"

Status deadline_parse(const char *text, int64_t *deadline)
{
    int64_t span;
    if (!text) {
        *deadline = INT64_MAX;
        return STATUS_DONE;
    }
    if (!duration_parse(text, &span))
        return status_fail(STATUS_USAGE, NULL,
                           "--timeout=%s: expected a span of time such as 500ms, 30s or 10m", text);
    *deadline = clock_boot_ns() + span;
    return STATUS_DONE;
}
