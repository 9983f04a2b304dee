/* Has a process exec'ed since? One short system call.
 *
 * An open /proc/PID/pagemap belongs to the memory image the process had when it was opened. Reading
 * it at a misaligned size says EINVAL while that image is in use, and 0 once it is gone: after an
 * exec, or an exit. (An image can be shared with another process, which then keeps it in use; that
 * takes CLONE_VM without CLONE_THREAD.)
 */
#ifndef LOCKFS_PROC_EXEC_WATCH_H
#define LOCKFS_PROC_EXEC_WATCH_H

#include "proc/proc.h"

/* A descriptor to ask with, or negative errno (no such file in this kernel, not permitted, no
 * descriptors). */
int exec_watch_open(const Proc *proc, pid_t pid);

/* true: the image is the one it was. */
bool exec_watch_unchanged(int watch);

#endif
