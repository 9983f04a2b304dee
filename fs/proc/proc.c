#include "proc/proc.h"

#include "base/fd.h"
#include "proc/pidfd-sys.h"
#include "proc/proc-text.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BOOT_ID_LENGTH 36
#define INITIAL_PID_NS 0xEFFFFFFCUL /* PROC_PID_INIT_INO: the same on every kernel */
#define CGROUP2_MAGIC 0x63677270L
#define STATUS_SIZE 12288 /* all of /proc/PID/status but its groups, on machines of any size */
#define GROUP_TEXT 11     /* a gid in decimal and a space */
#define PATH_TEXT 64      /* "PID/file" */
#define KTHREADD 2        /* parent of all kernel threads */

struct Proc {
    int dir;
    int cgroup_dir;
    ProcWithout without;
    bool initial_pid_ns;
    uint64_t pid_ns;
    char boot_id[BOOT_ID_LENGTH + 1];
};

static ProcWithout without_from_environment(void)
{
    static const struct {
        const char *name;
        ProcWithout flag;
    } names[] = {
        {"pidfs", PROC_WITHOUT_PIDFS},
        {"pidfd-thread", PROC_WITHOUT_PIDFD_THREAD},
        {"pidfd-info", PROC_WITHOUT_PIDFD_INFO},
        {"ns-pid", PROC_WITHOUT_NS_PID},
    };
    const char *text = getenv("LOCKFS_WITHOUT");
    ProcWithout found = PROC_WITHOUT_NOTHING;
    while (text && *text) {
        size_t len = strcspn(text, ",");
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (strlen(names[i].name) == len && memcmp(names[i].name, text, len) == 0)
                found |= names[i].flag;
        text += len + (text[len] == ',');
    }
    return found;
}

/* What this kernel lacks, asked of it with our own process. */
static int probe(ProcWithout *missing)
{
    AUTO_FD int process = pidfd_sys_open(getpid(), 0);
    if (process < 0)
        return process;
    ProcWithout found = PROC_WITHOUT_NOTHING;
    struct statfs fs;
    if (fstatfs(process, &fs) != 0 || fs.f_type != PIDFD_SYS_FS_MAGIC)
        found |= PROC_WITHOUT_PIDFS;
    AUTO_FD int thread = pidfd_sys_open(gettid(), PIDFD_SYS_THREAD);
    if (thread < 0)
        found |= PROC_WITHOUT_PIDFD_THREAD;
    PidfdSysInfo info;
    if (pidfd_sys_info(process, &info) != 0)
        found |= PROC_WITHOUT_PIDFD_INFO;
    *missing = found;
    return 0;
}

static int read_at(int dir, const char *path, char *buf, size_t size, ssize_t *len)
{
    AUTO_FD int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *len = fd_read_all(fd, buf, size);
    return *len < 0 ? (int)*len : 0;
}

static int read_boot_id(Proc *proc)
{
    char buf[BOOT_ID_LENGTH + 8];
    ssize_t len = 0;
    int err = read_at(proc->dir, "sys/kernel/random/boot_id", buf, sizeof buf, &len);
    if (err)
        return err;
    if (len < BOOT_ID_LENGTH)
        return -EIO;
    memcpy(proc->boot_id, buf, BOOT_ID_LENGTH);
    proc->boot_id[BOOT_ID_LENGTH] = '\0';
    return 0;
}

static int check_namespace(Proc *proc)
{
    char self[16];
    ssize_t len = readlinkat(proc->dir, "self", self, sizeof self - 1);
    if (len < 0)
        return errno == ENOENT ? -EXDEV : -errno;
    self[len] = '\0';
    if (strtol(self, NULL, 10) != getpid())
        return -EXDEV;
    int err = proc_pid_ns_id(proc, getpid(), &proc->pid_ns);
    if (err)
        return err;
    proc->initial_pid_ns = proc->pid_ns == INITIAL_PID_NS;
    return 0;
}

/* -1 where there is none: only one scope of ownership needs it. */
static int open_cgroup_root(int dir)
{
    const size_t size = 1 << 20;
    char *text = malloc(size);
    char path[PATH_MAX];
    ssize_t len = 0;
    bool found = text && read_at(dir, "self/mountinfo", text, size, &len) == 0 &&
                 proc_text_cgroup_mount(text, (size_t)len, path, sizeof path);
    free(text);
    if (!found)
        return -1;
    AUTO_FD int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct statfs fs;
    if (fd < 0 || fstatfs(fd, &fs) != 0 || fs.f_type != CGROUP2_MAGIC)
        return -1;
    return fd_take(&fd);
}

int proc_open(ProcWithout without, Proc **out)
{
    ProcWithout missing;
    int err = probe(&missing);
    if (err)
        return err;
    Proc *proc = malloc(sizeof *proc);
    if (!proc)
        return -ENOMEM;
    *proc = (Proc){.dir = -1, .cgroup_dir = -1};
    proc->without = missing | without | without_from_environment();
    proc->dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    err = proc->dir < 0 ? -errno : check_namespace(proc);
    if (!err)
        err = read_boot_id(proc);
    if (err) {
        proc_close(proc);
        return err;
    }
    proc->cgroup_dir = open_cgroup_root(proc->dir);
    *out = proc;
    return 0;
}

void proc_close(Proc *proc)
{
    if (!proc)
        return;
    fd_close(proc->dir);
    fd_close(proc->cgroup_dir);
    free(proc);
}

int proc_dirfd(const Proc *proc)
{
    return proc->dir;
}

DIR *proc_opendir(const Proc *proc, const char *path)
{
    int fd = openat(proc->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        fd_close(fd);
    return dir;
}

int proc_each(const Proc *proc, ProcEachFunc each, void *ctx)
{
    DIR *dir = proc_opendir(proc, ".");
    if (!dir)
        return -errno;
    const struct dirent *entry;
    int r = 0;
    while (r == 0 && (errno = 0, entry = readdir(dir))) {
        guint64 pid;
        if (g_ascii_string_to_unsigned(entry->d_name, 10, 1, G_MAXINT32, &pid, NULL))
            r = each(ctx, proc, (pid_t)pid);
    }
    if (r == 0)
        r = -errno;
    closedir(dir);
    return r;
}

int proc_cgroup_dirfd(const Proc *proc)
{
    return proc->cgroup_dir;
}

bool proc_has(const Proc *proc, ProcWithout feature)
{
    return (proc->without & feature) == 0;
}

const char *proc_boot_id(const Proc *proc)
{
    return proc->boot_id;
}

bool proc_in_initial_pid_ns(const Proc *proc)
{
    return proc->initial_pid_ns;
}

bool proc_is_machine_init(const Proc *proc, pid_t pid)
{
    return pid == 1 && proc->initial_pid_ns;
}

uint64_t proc_own_pid_ns_id(const Proc *proc)
{
    return proc->pid_ns;
}

static bool format_path(char *path, pid_t pid, const char *file)
{
    int n = snprintf(path, PATH_TEXT, "%d/%s", (int)pid, file);
    return n > 0 && n < PATH_TEXT;
}

ssize_t proc_read(const Proc *proc, pid_t pid, const char *file, char *buf, size_t size)
{
    char path[PATH_TEXT];
    if (!format_path(path, pid, file))
        return -ENAMETOOLONG;
    ssize_t len = 0;
    int err = read_at(proc->dir, path, buf, size, &len);
    if (err != -ENOENT)
        return err ? err : len;
    /* A missing file of a process that is there: this kernel was built without it. */
    struct stat st;
    format_path(path, pid, "");
    return fstatat(proc->dir, path, &st, 0) == 0 ? -ENOENT : -ESRCH;
}

ssize_t proc_read_head(const Proc *proc, pid_t pid, const char *file, char *buf, size_t size)
{
    char path[PATH_TEXT];
    if (!format_path(path, pid, file))
        return -ENAMETOOLONG;
    AUTO_FD int fd = openat(proc->dir, path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, buf, size);
    if (len >= 0)
        return len;
    return errno == ENOENT ? -ESRCH : -errno;
}

static int status_sized(const Proc *proc, pid_t tid, size_t size, ProcStatus *out)
{
    char *text = malloc(size);
    if (!text)
        return -ENOMEM;
    ssize_t len = proc_read(proc, tid, "status", text, size);
    int err = len < 0 ? (int)len : 0;
    if (!err && !proc_text_status(text, (size_t)len, out))
        err = -EIO;
    free(text);
    return err;
}

int proc_status(const Proc *proc, pid_t tid, ProcStatus *out)
{
    int err = status_sized(proc, tid, STATUS_SIZE, out);
    return err == -E2BIG ? status_sized(proc, tid, STATUS_SIZE + NGROUPS_MAX * GROUP_TEXT, out)
                         : err;
}

static int refuse_kernel_thread(const Proc *proc, pid_t pid)
{
    char text[2048];
    ssize_t len = proc_read(proc, pid, "stat", text, sizeof text);
    if (len < 0)
        return (int)len;
    ProcStat stat;
    if (!proc_text_stat(text, (size_t)len, &stat))
        return -EIO;
    return stat.kernel_thread ? -EPERM : 0;
}

static int thread_group_from_status(const Proc *proc, pid_t tid, pid_t *pid)
{
    ProcStatus status;
    int err = proc_status(proc, tid, &status);
    if (!err && status.tgid == tid)
        err = refuse_kernel_thread(proc, tid);
    if (!err)
        *pid = status.tgid;
    return err;
}

/* One pidfd names any thread and says whose it is: no difference between leaders and others. Kernel
 * threads are children of kthreadd, so nobody else has to be looked at twice. */
static int thread_group_from_info(const Proc *proc, pid_t tid, pid_t *pid)
{
    AUTO_FD int fd = pidfd_sys_open(tid, PIDFD_SYS_THREAD);
    if (fd < 0)
        return fd;
    PidfdSysInfo info;
    int err = pidfd_sys_info(fd, &info);
    if (err)
        return err == -ESRCH ? -EAGAIN : err; /* 6.13 says so of children of other namespaces */
    if (info.ppid == KTHREADD || info.tgid == KTHREADD)
        err = refuse_kernel_thread(proc, (pid_t)info.tgid);
    if (!err)
        *pid = (pid_t)info.tgid;
    return err;
}

static int thread_group_from_pidfd(const Proc *proc, pid_t tid, pid_t *pid)
{
    AUTO_FD int fd = pidfd_sys_open(tid, 0);
    if (fd < 0)
        return fd;
    uint64_t dev, ino;
    int err = 0;
    if (proc_exe_id(proc, tid, &dev, &ino) != 0)
        err = refuse_kernel_thread(proc, tid);
    if (!err)
        *pid = tid;
    return err;
}

int proc_thread_group(const Proc *proc, pid_t tid, pid_t *pid)
{
    if (tid <= 0)
        return -ESRCH;
    bool informed = proc_has(proc, PROC_WITHOUT_PIDFD_THREAD | PROC_WITHOUT_PIDFD_INFO);
    int err = informed ? thread_group_from_info(proc, tid, pid) : -EINVAL;
    if (err == 0 || err == -ESRCH || err == -EPERM)
        return err;
    if (!informed)
        err = thread_group_from_pidfd(proc, tid, pid);
    if (err == 0 || err == -ESRCH || err == -EPERM)
        return err;
    return thread_group_from_status(proc, tid, pid);
}

int proc_exe_id(const Proc *proc, pid_t pid, uint64_t *dev, uint64_t *ino)
{
    char path[PATH_TEXT];
    format_path(path, pid, "exe");
    struct statx st;
    if (statx(proc->dir, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &st) != 0)
        return -errno;
    *dev = makedev(st.stx_dev_major, st.stx_dev_minor);
    *ino = st.stx_ino;
    return 0;
}

int proc_exe_name(const Proc *proc, pid_t pid, char *name, size_t size)
{
    static const char deleted[] = " (deleted)";
    char path[PATH_TEXT];
    char target[PATH_MAX];
    format_path(path, pid, "exe");
    ssize_t len = readlinkat(proc->dir, path, target, sizeof target - 1);
    if (len < 0)
        return -errno;
    target[len] = '\0';
    size_t tail = sizeof deleted - 1;
    if ((size_t)len > tail && memcmp(target + len - tail, deleted, tail) == 0)
        target[len - (ssize_t)tail] = '\0';
    const char *slash = strrchr(target, '/');
    const char *base = slash ? slash + 1 : target;
    if (strlen(base) >= size)
        return -ENAMETOOLONG;
    memcpy(name, base, strlen(base) + 1);
    return 0;
}

int proc_pid_ns_open(const Proc *proc, pid_t pid)
{
    char path[PATH_TEXT];
    format_path(path, pid, "ns/pid");
    int fd = openat(proc->dir, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int proc_ns_id(const Proc *proc, pid_t pid, const char *kind, uint64_t *id)
{
    char path[PATH_TEXT];
    struct stat st;
    snprintf(path, sizeof path, "%d/ns/%s", (int)pid, kind);
    if (fstatat(proc->dir, path, &st, 0) != 0)
        return -errno;
    *id = st.st_ino;
    return 0;
}

int proc_pid_ns_id(const Proc *proc, pid_t pid, uint64_t *id)
{
    return proc_ns_id(proc, pid, "pid", id);
}

int proc_groups(const Proc *proc, pid_t tid, gid_t *groups, int max)
{
    size_t size = STATUS_SIZE + (size_t)(max > 0 ? max : 0) * GROUP_TEXT;
    char *text = malloc(size);
    if (!text)
        return -ENOMEM;
    ssize_t len = proc_read(proc, tid, "status", text, size);
    int n = len < 0 ? (int)len : proc_text_groups(text, (size_t)len, groups, max);
    free(text);
    return n;
}

uint64_t proc_capabilities(const Proc *proc, pid_t tid)
{
    size_t size = STATUS_SIZE + NGROUPS_MAX * GROUP_TEXT;
    char *text = malloc(size);
    uint64_t found = 0;
    ssize_t len = text ? proc_read(proc, tid, "status", text, size) : -1;
    if (len > 0)
        proc_text_capabilities(text, (size_t)len, &found);
    free(text);
    return found;
}
