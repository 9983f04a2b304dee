#include "proc/scope.h"

#include "base/fd.h"
#include "proc/identity.h"
#include "proc/pidfd-sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_STEPS 64
#define CGROUP_TEXT 16384 /* a line for each hierarchy */

/* FILEID_KERNFS: what the kernel calls the handles of files that have an id and no device. */
#define HANDLE_OF_KERNFS 0xfe

int scope_session(const Proc *proc, const Handover *from, Handover *out)
{
    pid_t sid = from->stat.session;
    if (sid == from->ref.pid)
        return 0;
    if (sid <= 0 || proc_is_machine_init(proc, sid))
        return -ESRCH;
    AUTO_HANDOVER Handover leader = HANDOVER_NONE;
    int err = pidref_open_stat(proc, sid, &leader.ref, &leader.stat);
    if (err)
        return err;
    /* The number of a session is not given to another process while one is in it. */
    ProcStat now;
    err = pidref_stat(proc, &from->ref, &now);
    if (err)
        return err;
    if (now.session != sid || leader.stat.session != sid || leader.stat.kernel_thread)
        return -ESRCH;
    *out = leader;
    leader.ref = PIDREF_NONE;
    return 1;
}

/* Is `pid` process 1 of the namespace? 1 and *out, 0, negative errno. */
static int open_if_first(const Proc *proc, pid_t pid, uint64_t ns, Handover *out)
{
    AUTO_HANDOVER Handover who = HANDOVER_NONE;
    ProcStatus status;
    uint64_t its_ns;
    int err = pidref_open_stat(proc, pid, &who.ref, &who.stat);
    if (!err)
        err = proc_status(proc, pid, &status);
    if (!err)
        err = proc_pid_ns_id(proc, pid, &its_ns);
    if (err)
        return handover_unproven(err) ? 0 : err;
    if (its_ns != ns || status.ns_depth < 2 || status.ns_pids[status.ns_depth - 1] != 1 ||
        pidref_life(&who.ref) != PIDREF_ALIVE)
        return 0;
    *out = who;
    who.ref = PIDREF_NONE;
    return 1;
}

static int first_by_translation(const Proc *proc, pid_t member, uint64_t ns, Handover *out)
{
    if (!proc_has(proc, PROC_WITHOUT_NS_PID))
        return 0;
    AUTO_FD int nsfd = proc_pid_ns_open(proc, member);
    if (nsfd < 0)
        return handover_unproven(nsfd) ? 0 : nsfd;
    pid_t pid = pidfd_sys_pid_from_ns(nsfd, 1);
    return pid > 0 ? open_if_first(proc, pid, ns, out) : 0;
}

static int first_by_climbing(const Proc *proc, const Pidref *member, uint64_t ns, Handover *out)
{
    AUTO_PIDREF Pidref at = PIDREF_NONE;
    int err = pidref_copy(member, &at);
    if (err)
        return err;
    for (int step = 0; step < MAX_STEPS; step++) {
        int found = open_if_first(proc, at.pid, ns, out);
        if (found != 0)
            return found;
        Pidref parent = PIDREF_NONE;
        uint64_t its_ns;
        err = pidref_open_parent(proc, &at, &parent);
        if (err)
            return handover_unproven(err) ? 0 : err;
        pidref_done(&at);
        at = parent;
        if (proc_pid_ns_id(proc, at.pid, &its_ns) != 0 || its_ns != ns)
            return 0;
    }
    return 0;
}

static int first_by_scan(const Proc *proc, uint64_t ns, Handover *out)
{
    int fd = openat(proc_dirfd(proc), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        fd_close(fd);
        return -ENOMEM;
    }
    int found = 0;
    struct dirent *entry;
    while (found == 0 && (entry = readdir(dir))) {
        uint64_t its_ns;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && proc_pid_ns_id(proc, pid, &its_ns) == 0 && its_ns == ns)
            found = open_if_first(proc, pid, ns, out);
    }
    closedir(dir);
    return found;
}

int scope_container(const Proc *proc, const Handover *caller, Handover *out)
{
    uint64_t ns;
    int err = proc_pid_ns_id(proc, caller->ref.pid, &ns);
    if (err)
        return err;
    if (ns == proc_own_pid_ns_id(proc))
        return 0;
    int found = first_by_translation(proc, caller->ref.pid, ns, out);
    if (found == 0)
        found = first_by_climbing(proc, &caller->ref, ns, out);
    if (found == 0)
        found = first_by_scan(proc, ns, out);
    return found == 0 ? -ESRCH : found;
}

int scope_cgroup_path(const Proc *proc, pid_t pid, char *path, size_t size)
{
    char text[CGROUP_TEXT];
    char whole[PATH_MAX];
    if (proc_cgroup_dirfd(proc) < 0)
        return -ESRCH;
    ssize_t len = proc_read(proc, pid, "cgroup", text, sizeof text);
    if (len < 0)
        return len == -E2BIG ? -ESRCH : (int)len;
    if (!proc_text_cgroup(text, (size_t)len, whole, sizeof whole))
        return -ESRCH;
    /* The root is never empty, and what lies outside our cgroup namespace cannot be reached. */
    if (whole[1] == '\0' || strcmp(whole, "/..") == 0 || strncmp(whole, "/../", 4) == 0)
        return -ESRCH;
    if (strlen(whole) > size)
        return -ENAMETOOLONG;
    memcpy(path, whole + 1, strlen(whole + 1) + 1);
    return 0;
}

/* 1 with the events of the cgroup, 0: nobody is in it, negative errno. */
static int open_events(int dir, int *events)
{
    AUTO_FD int fd = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int empty = identity_cgroup_empty(fd);
    if (empty != 0)
        return empty < 0 ? empty : 0;
    *events = fd_take(&fd);
    return 1;
}

int scope_cgroup(const Proc *proc, pid_t pid, int *events, uint64_t *id)
{
    char path[PATH_MAX];
    struct stat st;
    int err = scope_cgroup_path(proc, pid, path, sizeof path);
    if (err)
        return err;
    AUTO_FD int dir =
        openat(proc_cgroup_dirfd(proc), path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || fstat(dir, &st) != 0)
        return -errno;
    int found = open_events(dir, events);
    if (found <= 0) /* 0: the caller was moved elsewhere meanwhile */
        return found < 0 ? found : -ESRCH;
    *id = st.st_ino;
    return 1;
}

/* Its number is the whole of a handle, for who may open by handle; -ESTALE: it was removed. */
static int open_by_id(int root, uint64_t id)
{
    struct {
        struct file_handle head;
        uint64_t id;
    } handle = {{.handle_bytes = sizeof handle.id, .handle_type = HANDLE_OF_KERNFS}, id};
    memcpy(handle.head.f_handle, &id, sizeof id); /* where handle.id lies */
    int fd = open_by_handle_at(root, &handle.head, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Looks through the tree below `dir` (consumed). -ENOENT: it is not there, or where we may not
 * look. */
static int open_by_walk(int dir, uint64_t id, int depth)
{
    DIR *list = depth < MAX_STEPS ? fdopendir(dir) : NULL;
    int found = -ENOENT;
    if (!list) {
        fd_close(dir);
        return found;
    }
    const struct dirent *entry;
    while (found < 0 && (entry = readdir(list))) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        int fd =
            openat(dirfd(list), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0)
            found = entry->d_ino == id ? fd : open_by_walk(fd, id, depth + 1);
    }
    closedir(list);
    return found;
}

int scope_cgroup_reopen(const Proc *proc, uint64_t id, int *events)
{
    if (proc_cgroup_dirfd(proc) < 0)
        return -ENOENT;
    AUTO_FD int root = openat(proc_cgroup_dirfd(proc), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return -errno;
    AUTO_FD int dir = open_by_id(root, id);
    if (dir == -ESTALE)
        return 0;
    if (dir < 0)
        dir = open_by_walk(fcntl(root, F_DUPFD_CLOEXEC, 0), id, 0);
    return dir < 0 ? dir : open_events(dir, events);
}
