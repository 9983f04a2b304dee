#include "proc/pidfd-sys.h"

#include <assert.h>
#include <errno.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static_assert(sizeof(PidfdSysInfo) == 64, "the size is part of the ioctl's number");

#define GET_INFO _IOWR(0xFF, 11, PidfdSysInfo)
#define GET_PID_FROM_NS _IOR(NSIO, 0x6, int)

int pidfd_sys_open(pid_t pid, unsigned flags)
{
    long fd = syscall(SYS_pidfd_open, pid, flags);
    return fd < 0 ? -errno : (int)fd;
}

int pidfd_sys_info(int pidfd, PidfdSysInfo *out)
{
    const uint64_t wanted = PIDFD_SYS_INFO_PID | PIDFD_SYS_INFO_CREDS;
    PidfdSysInfo info = {.mask = wanted};
    if (ioctl(pidfd, GET_INFO, &info) < 0)
        return -errno;
    if ((info.mask & wanted) != wanted || info.tgid == 0)
        return -ENODATA;
    *out = info;
    return 0;
}

int pidfd_sys_exit(int pidfd, int *status)
{
    PidfdSysInfo info = {.mask = PIDFD_SYS_INFO_EXIT};
    if (ioctl(pidfd, GET_INFO, &info) < 0)
        return -errno;
    if (!(info.mask & PIDFD_SYS_INFO_EXIT))
        return -ENODATA;
    *status = info.exit_code;
    return 0;
}

int pidfd_sys_pid_from_ns(int nsfd, pid_t pid)
{
    int found = ioctl(nsfd, GET_PID_FROM_NS, pid);
    if (found < 0)
        return -errno;
    return found == 0 ? -ESRCH : found;
}

int pidfd_sys_ns_parent(int nsfd)
{
    int fd = ioctl(nsfd, NS_GET_PARENT);
    return fd < 0 ? -errno : fd;
}
