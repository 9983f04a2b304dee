#include "proc/pid-ns.h"

#include "base/fd.h"
#include "proc/pidfd-sys.h"

#include <errno.h>
#include <sys/stat.h>

int pid_ns_below(const Proc *proc, pid_t pid, uint64_t ns)
{
    AUTO_FD int at = proc_pid_ns_open(proc, pid);
    if (at < 0)
        return at == -ENOENT ? -ESRCH : at;
    for (int level = 0; level < PROC_NS_DEPTH; level++) {
        struct stat st;
        if (fstat(at, &st) != 0)
            return -errno;
        if (st.st_ino == ns)
            return level;
        if (st.st_ino == proc_own_pid_ns_id(proc))
            break;
        int parent = pidfd_sys_ns_parent(at);
        if (parent < 0)
            return parent == -EPERM ? -ESRCH : parent; /* above ours: not reached */
        fd_close(at);
        at = parent;
    }
    return -ESRCH;
}
