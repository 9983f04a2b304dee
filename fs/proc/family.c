#include "proc/family.h"

#include "base/fd.h"
#include "proc/pid-ns.h"
#include "proc/pidfd-sys.h"
#include "proc/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_STEPS 1024
#define MAX_TRIES 16

/* The parent of `at`, as a bare pid and pidfd. -EAGAIN: it changed, or one of the two ended. */
static int step_up(const Proc *proc, const Pidref *at, pid_t ppid, Pidref *out)
{
    AUTO_FD int fd = pidfd_sys_open(ppid, 0);
    if (fd < 0)
        return fd == -ESRCH || fd == -ENOENT || fd == -EINVAL ? -EAGAIN : fd;
    pid_t again;
    int err = pidref_ppid(proc, at, &again);
    if (err)
        return err == -ESRCH ? -EAGAIN : err;
    Pidref parent = {.pid = ppid, .fd = fd};
    PidrefLife life = pidref_life(&parent);
    if (life == PIDREF_UNKNOWN)
        return -EIO;
    if (again != ppid || life == PIDREF_DEAD)
        return -EAGAIN;
    parent.fd = fd_take(&fd);
    *out = parent;
    return 0;
}

/* Is `pid` process 1 of a pid namespace, but not of the machine's? 1, 0, negative errno. */
static int is_container_init(const Proc *proc, pid_t pid)
{
    ProcStatus status;
    if (pid == 1)
        return !proc_is_machine_init(proc, pid);
    int err = proc_status(proc, pid, &status);
    return err ? err : status.ns_depth > 1 && status.ns_pids[status.ns_depth - 1] == 1;
}

/* Process 1 of a pid namespace also adopts the orphans of those who entered from outside, as
 * `docker exec` does. Nothing but the session tells them from its descendants: fork inherits it,
 * and who enters is in another one. 1: it may be no descendant; 0: it is; negative errno. Whoever
 * else adopts, adopts descendants. */
static int may_be_foster_child(const Proc *proc, const Pidref *child, const Pidref *parent)
{
    uint64_t ns;
    if (parent->pid != 1 && proc_pid_ns_id(proc, child->pid, &ns) == 0 &&
        ns == proc_own_pid_ns_id(proc))
        return 0; /* so its parent is in ours or further out, where nobody enters from */
    int init = is_container_init(proc, parent->pid);
    if (init <= 0)
        return init;
    ProcStat its, parents;
    int err = pidref_stat(proc, child, &its);
    if (!err)
        err = pidref_stat(proc, parent, &parents);
    return err ? err : its.session != parents.session;
}

/* The owner's own number among the parents is proof enough: it lives when we are done (or the
 * answer is void), so nobody else bore that number. */
static int walk(const Proc *proc, pid_t pid, const Pidref *owner)
{
    AUTO_PIDREF Pidref at = {.pid = pid, .fd = pidfd_sys_open(pid, 0)};
    if (at.fd < 0)
        return at.fd;
    for (int step = 0; step < MAX_STEPS; step++) {
        pid_t ppid;
        int err = pidref_ppid(proc, &at, &ppid);
        if (err)
            return err == -ESRCH ? -EAGAIN : err;
        bool reached = ppid == owner->pid;
        if (ppid <= 1 && !reached)
            return 0;
        Pidref parent = PIDREF_NONE;
        err = reached ? 0 : step_up(proc, &at, ppid, &parent);
        if (err)
            return err;
        int foster = may_be_foster_child(proc, &at, reached ? owner : &parent);
        pidref_done(&at);
        at = parent;
        if (foster)
            return foster > 0 ? 0 : foster == -ESRCH ? -EAGAIN : foster;
        if (reached)
            return 1;
    }
    return -ELOOP;
}

int family_descends(const Proc *proc, pid_t pid, const Pidref *owner)
{
    if (pid == owner->pid)
        return 1;
    int answer = -EAGAIN;
    for (int i = 0; i < MAX_TRIES && answer == -EAGAIN; i++)
        answer = walk(proc, pid, owner);
    return answer;
}

int family_in_session(const Proc *proc, pid_t pid, const Pidref *owner)
{
    AUTO_PIDREF Pidref who = PIDREF_NONE;
    ProcStat its, owners;
    int err = pidref_open_stat(proc, pid, &who, &its);
    if (!err)
        err = pidref_stat(proc, owner, &owners);
    return err ? err : its.session > 0 && its.session == owners.session;
}

int family_in_container(const Proc *proc, pid_t pid, const Pidref *owner)
{
    uint64_t owners;
    int err = proc_pid_ns_id(proc, owner->pid, &owners);
    if (err)
        return err;
    if (owners == proc_own_pid_ns_id(proc))
        return 0;
    int level = pid_ns_below(proc, pid, owners);
    return level == -ESRCH ? 0 : level < 0 ? level : 1;
}

int family_in_cgroup(const Proc *proc, pid_t pid, uint64_t cgroup_id)
{
    char path[PATH_MAX];
    if (cgroup_id == 0)
        return 0;
    int err = scope_cgroup_path(proc, pid, path, sizeof path);
    if (err)
        return err == -ESRCH ? 0 : err;
    /* From the innermost outward, cutting the path. */
    for (;;) {
        struct stat st;
        if (fstatat(proc_cgroup_dirfd(proc), path, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? -EAGAIN : -errno; /* renamed or left meanwhile */
        if (st.st_ino == cgroup_id)
            return 1;
        char *slash = strrchr(path, '/');
        if (!slash)
            return 0;
        *slash = '\0';
    }
}
