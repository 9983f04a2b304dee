/* /proc/self/mountinfo: an absolute path that fits; one of the values of hidepid. */
#include "proc/proc-text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[40];
    if (proc_text_cgroup_mount((const char *)data, size, path, sizeof path) &&
        (path[0] != '/' || strlen(path) >= sizeof path))
        abort();
    ProcMount mount;
    if (proc_text_proc_mount((const char *)data, size, &mount) &&
        (mount.hidepid < 0 || mount.hidepid > 4 || mount.hidepid == 3))
        abort();
    return 0;
}
