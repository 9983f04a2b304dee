#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

int fd_close(int fd)
{
    if (fd >= 0) {
        int saved = errno;
        close(fd);
        errno = saved;
    }
    return -1;
}

int fd_take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

int fd_move_up(int fd, int min)
{
    if (fd >= min)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, min);
    int err = errno;
    fd_close(fd);
    return moved < 0 ? -err : moved;
}

ssize_t fd_read_all(int fd, char *buf, size_t size)
{
    size_t have = 0;
    for (;;) {
        if (have == size)
            return -E2BIG;
        ssize_t n = read(fd, buf + have, size - have);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    buf[have] = '\0';
    return (ssize_t)have;
}

unsigned long fd_raise_limit(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
        return 1024;
    if (lim.rlim_cur < lim.rlim_max) {
        rlim_t before = lim.rlim_cur;
        lim.rlim_cur = lim.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &lim) != 0)
            return before;
    }
    return lim.rlim_cur;
}

void fd_cleanup(int *fd)
{
    fd_close(*fd);
}

int fd_open_quietly(int dir, const char *name, int flags)
{
    int fd = openat(dir, name, flags | O_RDONLY | O_NOATIME | O_CLOEXEC);
    /* Of files of others that is refused. */
    return fd < 0 && errno == EPERM ? openat(dir, name, flags | O_RDONLY | O_CLOEXEC) : fd;
}
