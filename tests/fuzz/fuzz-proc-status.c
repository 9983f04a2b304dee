/* /proc/PID/status: the numbers it holds, and its groups. */
#include "proc/proc-text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ProcStatus status;
    ProcStatus before;
    memset(&status, 0x5a, sizeof status);
    before = status;
    if (!proc_text_status((const char *)data, size, &status)) {
        if (memcmp(&status, &before, sizeof status) != 0)
            abort();
    } else if (status.tgid <= 0 || status.ns_depth < 0 || status.ns_depth > PROC_NS_DEPTH) {
        abort();
    }
    gid_t groups[4];
    if (proc_text_groups((const char *)data, size, groups, 4) > 4)
        abort();
    return 0;
}
