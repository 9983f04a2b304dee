#include "proc/exec-watch.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not a multiple of what the file is made of. */
#define MISALIGNED 1

bool exec_watch_unchanged(int watch)
{
    char byte;
    return syscall(SYS_pread64, watch, &byte, (size_t)MISALIGNED, (off_t)0) < 0 && errno == EINVAL;
}

int exec_watch_open(const Proc *proc, pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "%d/pagemap", pid);
    AUTO_FD int fd = openat(proc_dirfd(proc), path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return exec_watch_unchanged(fd) ? fd_take(&fd) : -EOPNOTSUPP;
}
