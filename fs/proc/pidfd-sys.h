/* The pidfd calls that C libraries of the day do not have yet, and what they are worth.
 *
 * These are bare calls: whether the kernel has them is asked of a Proc (proc_has). The sizes and
 * numbers are those of the first published version, which every later kernel keeps accepting.
 */
#ifndef LOCKFS_PROC_PIDFD_SYS_H
#define LOCKFS_PROC_PIDFD_SYS_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/types.h>

#define PIDFD_SYS_THREAD O_EXCL        /* pidfd_open: name a thread (6.9) */
#define PIDFD_SYS_FS_MAGIC 0x50494446L /* statfs f_type of a pidfd that has its own inode (6.9) */
#define PIDFD_SYS_INFO_PID (1U << 0)   /* bits of PidfdSysInfo.mask */
#define PIDFD_SYS_INFO_CREDS (1U << 1)
#define PIDFD_SYS_INFO_EXIT (1U << 3)

typedef struct {
    uint64_t mask; /* in: what is wanted; out: what was filled in */
    uint64_t cgroupid;
    uint32_t pid, tgid, ppid; /* in the reader's pid namespace */
    uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
} PidfdSysInfo;

/* A close-on-exec pidfd, or negative errno. flags: 0 or PIDFD_SYS_THREAD. */
int pidfd_sys_open(pid_t pid, unsigned flags);

/* 0 or negative errno; -ENODATA when the kernel left out the ids or the credentials. */
int pidfd_sys_info(int pidfd, PidfdSysInfo *out);

/* How the process ended, as of wait(2). -ENODATA: it has not been waited for yet, or the kernel
 * does not tell (< 6.15). */
int pidfd_sys_exit(int pidfd, int *status);

/* The process with number `pid` in the pid namespace `nsfd`, as a number of ours (6.11).
 * Negative errno; the value is a hint to be proven, like every pid. */
int pidfd_sys_pid_from_ns(int nsfd, pid_t pid);

/* A descriptor of the pid namespace above `nsfd`. -EPERM: that is not ours to see. */
int pidfd_sys_ns_parent(int nsfd);

#endif
