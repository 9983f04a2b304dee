/* Access to /proc and to pidfds, with what this kernel offers probed once.
 *
 * A Proc is made at start and shared by all threads; nothing in it changes afterwards. Everything
 * below takes it, so a test can hand in one with features switched off and see the fallbacks work.
 */
#ifndef LOCKFS_PROC_PROC_H
#define LOCKFS_PROC_PROC_H

#include "proc/proc-text.h"

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Proc Proc;

/* What may be switched off for a test; the environment variable LOCKFS_WITHOUT names the same
 * (comma-separated: pidfs, pidfd-thread, pidfd-info, ns-pid; other names are not ours and are
 * passed over). */
typedef enum {
    PROC_WITHOUT_NOTHING = 0,
    PROC_WITHOUT_PIDFS = 1 << 0,        /* pidfd inode numbers mean nothing (< 6.9) */
    PROC_WITHOUT_PIDFD_THREAD = 1 << 1, /* no PIDFD_THREAD (< 6.9) */
    PROC_WITHOUT_PIDFD_INFO = 1 << 2,   /* no PIDFD_GET_INFO (< 6.13) */
    PROC_WITHOUT_NS_PID = 1 << 3,       /* no translation of pids between namespaces (< 6.11) */
} ProcWithout;

/* Opens /proc. -errno when that is impossible (not mounted); -EXDEV when the /proc here shows
 * another pid namespace than ours, so that its numbers would name the wrong processes. */
int proc_open(ProcWithout without, Proc **out);
void proc_close(Proc *proc);

/* The descriptor of /proc, for the functions of this layer. */
int proc_dirfd(const Proc *proc);

/* A directory below that; NULL with errno set. */
DIR *proc_opendir(const Proc *proc, const char *path);

/* Calls `each` for every process that is listed, until it returns something else than 0: that, or
 * a negative errno. */
typedef int (*ProcEachFunc)(void *ctx, const Proc *proc, pid_t pid);
int proc_each(const Proc *proc, ProcEachFunc each, void *ctx);

/* The root of the cgroup2 hierarchy; -1 where none is mounted. */
int proc_cgroup_dirfd(const Proc *proc);

/* Is `pid` process 1 of the machine? It adopts every orphan and starts no helper. Where we live in
 * a pid namespace below, process 1 is often the program itself: then the answer is no. */
bool proc_is_machine_init(const Proc *proc, pid_t pid);

bool proc_has(const Proc *proc, ProcWithout feature);

/* The boot id, as 36 characters and NUL. */
const char *proc_boot_id(const Proc *proc);

/* Is this process in the initial pid namespace? */
bool proc_in_initial_pid_ns(const Proc *proc);

/* Reads /proc/<pid>/<file> whole. Length, or negative errno (-ESRCH when the process is gone, or
 * when a /proc mounted with hidepid does not show it: only its pidfd tells the two apart). */
ssize_t proc_read(const Proc *proc, pid_t pid, const char *file, char *buf, size_t size);

/* The first bytes of /proc/<pid>/<file>, by one read(2): at most `size`, not ended by NUL. For text
 * whose length the process chooses (cmdline), and where a second read to see the end costs too
 * much. How many, or negative errno; every missing file is -ESRCH. */
ssize_t proc_read_head(const Proc *proc, pid_t pid, const char *file, char *buf, size_t size);

/* /proc/<tid>/status, parsed. Errors as proc_read; -EIO: not understood. */
int proc_status(const Proc *proc, pid_t tid, ProcStatus *out);

/* The thread group a thread belongs to. `tid` may be the leader itself, any other thread, or an
 * io_uring worker. The thread must be pinned by the caller (it waits for our reply), so its number
 * cannot be recycled meanwhile. -ESRCH: none, or tid is 0 (outside our namespace); -EPERM: a kernel
 * thread. */
int proc_thread_group(const Proc *proc, pid_t tid, pid_t *pid);

/* Identity of the running executable: the file behind /proc/PID/exe. Cheap (one stat); used to
 * notice an exec. Never asks the executable's filesystem, which may be the very mount we serve.
 * -ENOENT for kernel threads and where the leader thread has ended, -EACCES where /proc does not
 * let us look. */
int proc_exe_id(const Proc *proc, pid_t pid, uint64_t *dev, uint64_t *ino);

/* Base name of the running executable, " (deleted)" taken off. Errors as proc_exe_id;
 * -ENAMETOOLONG: does not fit in size - 1 bytes. */
int proc_exe_name(const Proc *proc, pid_t pid, char *name, size_t size);

/* The pid namespace a process lives in: an open descriptor (proc_pid_ns_open) or the inode number
 * that names it (proc_pid_ns_id). -EACCES where /proc does not let us look. */
int proc_pid_ns_open(const Proc *proc, pid_t pid);
int proc_pid_ns_id(const Proc *proc, pid_t pid, uint64_t *id);

/* The same of another kind of namespace: "uts", "time" as in /proc/PID/ns. */
int proc_ns_id(const Proc *proc, pid_t pid, const char *kind, uint64_t *id);
uint64_t proc_own_pid_ns_id(const Proc *proc);

/* Effective capabilities of a thread in its own user namespace, a bit for each; 0 as well where
 * they cannot be read. */
uint64_t proc_capabilities(const Proc *proc, pid_t tid);

/* Supplementary groups of a thread. Number of groups, at most `max`; -E2BIG when there are more. */
int proc_groups(const Proc *proc, pid_t tid, gid_t *groups, int max);

#endif
