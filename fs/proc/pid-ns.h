/* How pid namespaces lie within one another. */
#ifndef LOCKFS_PROC_PID_NS_H
#define LOCKFS_PROC_PID_NS_H

#include "proc/proc.h"

/* How many levels the namespace that a process lives in is below the namespace `ns`: 0, the same
 * one. -ESRCH: it is not in it (or there is no such process); other negative errno: cannot tell. */
int pid_ns_below(const Proc *proc, pid_t pid, uint64_t ns);

#endif
