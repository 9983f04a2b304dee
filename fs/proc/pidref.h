/* A process that is known for certain: pid, start time, and the pidfd that proves them.
 *
 * A pid alone names a slot in a table; another process may sit in it tomorrow. A Pidref holds the
 * pidfd that was open when the start time was read, so it means this process and no other for as
 * long as the descriptor is held. Whether the process lives is asked of the pidfd only.
 *
 * Ownership of the descriptor is in the verb: _open fills one in, _copy duplicates it, _done closes
 * it.
 */
#ifndef LOCKFS_PROC_PIDREF_H
#define LOCKFS_PROC_PIDREF_H

#include "proc/proc-text.h"
#include "proc/proc.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    pid_t pid;           /* thread group, in the daemon's pid namespace; 0: none */
    int fd;              /* pidfd of the thread group; -1: none */
    uint64_t start_time; /* clock ticks since boot, /proc/PID/stat field 22 */
    uint64_t inode;      /* pidfs inode, unique for ever; 0 where the kernel has no pidfs (< 6.9) */
} Pidref;

#define PIDREF_NONE ((Pidref){.fd = -1})

typedef enum {
    PIDREF_ALIVE,
    PIDREF_DEAD,
    PIDREF_UNKNOWN, /* could not ask; to be treated as alive */
} PidrefLife;

/* Opens the process `pid` (a thread group leader's id). The start time is read after the pidfd was
 * opened and the pidfd is checked once more after that, so the two belong together.
 * -ESRCH: no such process, or it is dead already; -EMFILE, -ENFILE, -ENOMEM: no room; -EACCES: it
 * lives and /proc does not show it. *out is untouched on failure. */
int pidref_open(const Proc *proc, pid_t pid, Pidref *out);

/* The same, and what /proc/PID/stat said of that process. */
int pidref_open_stat(const Proc *proc, pid_t pid, Pidref *out, ProcStat *stat);

/* The process of the pinned thread `tid`. Errors as pidref_open and proc_thread_group. */
int pidref_open_thread(const Proc *proc, pid_t tid, Pidref *out, ProcStat *stat);

/* /proc/PID/stat of a process we hold, read anew: proven to be that process's. Errors as
 * pidref_open. */
int pidref_stat(const Proc *proc, const Pidref *ref, ProcStat *stat);

/* Duplicates src, descriptor included. */
int pidref_copy(const Pidref *src, Pidref *out);

/* Closes the descriptor and clears. Fine on a cleared one. */
void pidref_done(Pidref *ref);

/* One poll(2) of the pidfd. A zombie is dead; a stopped process, or one whose leader thread ended
 * while others run, is alive. */
PidrefLife pidref_life(const Pidref *ref);

/* Opens the parent of `child`, provably: its pidfd first, then the child's parent read again.
 * -ESRCH when there is none in this namespace (ppid 0) or the child is dead; -EAGAIN when the
 * parent died while we looked and the child has another one now. */
int pidref_open_parent(const Proc *proc, const Pidref *child, Pidref *out);

/* The same, and what /proc/PID/stat said of the parent. */
int pidref_open_parent_stat(const Proc *proc, const Pidref *child, Pidref *out, ProcStat *stat);

/* The number of the parent of the process behind `ref` (only pid and fd are used); 0: it is outside
 * our namespace. It is a hint: only a pidfd opened before and asked after makes it a process. */
int pidref_ppid(const Proc *proc, const Pidref *ref, pid_t *ppid);

/* The uid the process acts with on files. */
int pidref_uid(const Proc *proc, const Pidref *ref, uid_t *uid);

bool pidref_same(const Pidref *a, const Pidref *b);

#define AUTO_PIDREF __attribute__((cleanup(pidref_done)))

#endif
