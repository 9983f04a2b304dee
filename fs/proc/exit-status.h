/* How a process that is dead ended. */
#ifndef LOCKFS_PROC_EXIT_STATUS_H
#define LOCKFS_PROC_EXIT_STATUS_H

#include "proc/pidref.h"

/* *status as of wait(2). A zombie's is read from /proc, that of a process that was waited for from
 * its pidfd (6.15). `trusted`: /proc tells us this process's exit code; to others it says 0.
 * -ENODATA: it cannot be found out. */
int exit_status_read(const Proc *proc, const Pidref *ref, bool trusted, int *status);

#endif
