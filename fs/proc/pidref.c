#include "proc/pidref.h"

#include "base/fd.h"
#include "proc/pidfd-sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#define STAT_SIZE 2048 /* 52 numbers and a name */

static PidrefLife life_of(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;
    if (fd < 0)
        return PIDREF_UNKNOWN;
    /* Even a poll that does not wait reports a pending signal. */
    do
        n = poll(&p, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return PIDREF_ALIVE;
    if (n < 0 || (p.revents & (POLLNVAL | POLLERR)) != 0)
        return PIDREF_UNKNOWN;
    return PIDREF_DEAD;
}

/* What `pid` said, if that still is the process behind `fd` afterwards: then it was all the time.
 */
static int read_stat(const Proc *proc, pid_t pid, int fd, ProcStat *out)
{
    char text[STAT_SIZE];
    ProcStat stat;
    ssize_t len = proc_read_head(proc, pid, "stat", text, sizeof text);
    PidrefLife life = life_of(fd);
    if (life == PIDREF_DEAD)
        return -ESRCH;
    if (life == PIDREF_UNKNOWN)
        return -EIO;
    if (len < 0)
        return len == -ESRCH ? -EACCES : (int)len; /* alive, and hidden from us */
    if (!proc_text_stat(text, (size_t)len, &stat))
        return -EIO;
    *out = stat;
    return 0;
}

static int inode_of(const Proc *proc, int fd, uint64_t *inode)
{
    struct stat st;
    *inode = 0;
    if (!proc_has(proc, PROC_WITHOUT_PIDFS))
        return 0;
    if (fstat(fd, &st) != 0)
        return -errno;
    *inode = st.st_ino;
    return 0;
}

/* Consumes `fd`, the pidfd of `pid`. */
static int complete(const Proc *proc, pid_t pid, int fd, Pidref *out, ProcStat *stat)
{
    AUTO_FD int owned = fd;
    uint64_t inode;
    ProcStat got;
    int err = read_stat(proc, pid, owned, &got);
    if (!err)
        err = inode_of(proc, owned, &inode);
    if (err)
        return err;
    *out =
        (Pidref){.pid = pid, .fd = fd_take(&owned), .start_time = got.start_time, .inode = inode};
    *stat = got;
    return 0;
}

int pidref_open_stat(const Proc *proc, pid_t pid, Pidref *out, ProcStat *stat)
{
    if (pid <= 0)
        return -ESRCH;
    int fd = pidfd_sys_open(pid, 0);
    if (fd < 0) /* the first two: a thread has that number, no process */
        return fd == -ENOENT || fd == -EINVAL ? -ESRCH : fd;
    return complete(proc, pid, fd, out, stat);
}

int pidref_open(const Proc *proc, pid_t pid, Pidref *out)
{
    ProcStat stat;
    return pidref_open_stat(proc, pid, out, &stat);
}

int pidref_open_thread(const Proc *proc, pid_t tid, Pidref *out, ProcStat *stat)
{
    Pidref ref = PIDREF_NONE;
    ProcStat got;
    if (tid <= 0)
        return -ESRCH;
    /* Most callers are the first thread, and then its number is the process's. */
    int fd = pidfd_sys_open(tid, 0);
    if (fd >= 0) {
        int err = complete(proc, tid, fd, &ref, &got);
        if (err)
            return err;
    } else {
        pid_t pid;
        int err = proc_thread_group(proc, tid, &pid);
        if (!err)
            err = pidref_open_stat(proc, pid, &ref, &got);
        if (err)
            return err;
    }
    if (got.kernel_thread) {
        pidref_done(&ref);
        return -EPERM;
    }
    *out = ref;
    *stat = got;
    return 0;
}

int pidref_stat(const Proc *proc, const Pidref *ref, ProcStat *stat)
{
    return read_stat(proc, ref->pid, ref->fd, stat);
}

int pidref_copy(const Pidref *src, Pidref *out)
{
    Pidref copy = *src;
    if (src->fd >= 0) {
        copy.fd = fcntl(src->fd, F_DUPFD_CLOEXEC, 0);
        if (copy.fd < 0)
            return -errno;
    }
    *out = copy;
    return 0;
}

void pidref_done(Pidref *ref)
{
    fd_close(ref->fd);
    *ref = PIDREF_NONE;
}

PidrefLife pidref_life(const Pidref *ref)
{
    return life_of(ref->fd);
}

int pidref_ppid(const Proc *proc, const Pidref *ref, pid_t *ppid)
{
    PidfdSysInfo info;
    if (proc_has(proc, PROC_WITHOUT_PIDFD_INFO) && pidfd_sys_info(ref->fd, &info) == 0) {
        *ppid = (pid_t)info.ppid;
        return 0;
    }
    ProcStat stat;
    int err = pidref_stat(proc, ref, &stat);
    if (!err)
        *ppid = stat.ppid;
    return err;
}

int pidref_uid(const Proc *proc, const Pidref *ref, uid_t *uid)
{
    PidfdSysInfo info;
    if (proc_has(proc, PROC_WITHOUT_PIDFD_INFO) && pidfd_sys_info(ref->fd, &info) == 0) {
        *uid = info.fsuid;
        return 0;
    }
    ProcStatus status;
    int err = proc_status(proc, ref->pid, &status);
    PidrefLife life = life_of(ref->fd);
    if (life != PIDREF_ALIVE)
        return life == PIDREF_DEAD ? -ESRCH : -EIO;
    if (err)
        return err == -ESRCH ? -EACCES : err;
    *uid = status.uid;
    return 0;
}

int pidref_open_parent_stat(const Proc *proc, const Pidref *child, Pidref *out, ProcStat *stat)
{
    pid_t before, after;
    int err = pidref_ppid(proc, child, &before);
    if (err)
        return err;
    if (before <= 0)
        return -ESRCH;
    AUTO_PIDREF Pidref parent = PIDREF_NONE;
    ProcStat got;
    err = pidref_open_stat(proc, before, &parent, &got);
    if (err && err != -ESRCH)
        return err;
    int again = pidref_ppid(proc, child, &after);
    if (again)
        return again;
    if (pidref_life(child) == PIDREF_DEAD)
        return -ESRCH;
    /* The number meant `parent` from its opening to this look, so it did when it was read again. */
    if (err || after != before || pidref_life(&parent) == PIDREF_DEAD)
        return -EAGAIN;
    *out = parent;
    *stat = got;
    parent = PIDREF_NONE;
    return 0;
}

int pidref_open_parent(const Proc *proc, const Pidref *child, Pidref *out)
{
    ProcStat stat;
    return pidref_open_parent_stat(proc, child, out, &stat);
}

bool pidref_same(const Pidref *a, const Pidref *b)
{
    if (a->pid == 0 || a->pid != b->pid || a->start_time != b->start_time)
        return false;
    return a->inode == 0 || b->inode == 0 || a->inode == b->inode;
}
