/* /proc/PID/stat: a name ends with NUL, and what is refused is left alone. */
#include "proc/proc-text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ProcStat stat;
    ProcStat before;
    memset(&stat, 0x5a, sizeof stat);
    before = stat;
    if (!proc_text_stat((const char *)data, size, &stat)) {
        if (memcmp(&stat, &before, sizeof stat) != 0)
            abort();
    } else if (!memchr(stat.comm, 0, sizeof stat.comm)) {
        abort();
    }
    return 0;
}
