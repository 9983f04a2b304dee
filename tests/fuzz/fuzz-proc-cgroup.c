/* /proc/PID/cgroup and cgroup.events: a path fits and is absolute, a state is 0 or 1. */
#include "proc/proc-text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[40];
    if (proc_text_cgroup((const char *)data, size, path, sizeof path) &&
        (path[0] != '/' || strlen(path) >= sizeof path))
        abort();
    if (proc_text_populated((const char *)data, size) > 1)
        abort();
    return 0;
}
