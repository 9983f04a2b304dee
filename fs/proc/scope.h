/* The wider owners a rule can ask for.
 *
 * Each function returns 1 when it found the wider owner, 0 when the process itself is right, and a
 * negative errno when it could not be proven (handover_unproven) or looked for.
 */
#ifndef LOCKFS_PROC_SCOPE_H
#define LOCKFS_PROC_SCOPE_H

#include "proc/handover.h"

/* The live leader of the session `from` is in. */
int scope_session(const Proc *proc, const Handover *from, Handover *out);

/* Process 1 of the pid namespace that the pinned process `caller` lives in. */
int scope_container(const Proc *proc, const Handover *caller, Handover *out);

/* The cgroup (v2) of the pinned process `pid`: an open cgroup.events and the inode number of its
 * directory. -ESRCH: there is none below the root that we can reach. Never 0. */
int scope_cgroup(const Proc *proc, pid_t pid, int *events, uint64_t *id);

/* The same for a cgroup whose number is known and that may be gone: 1 it has members, 0 it is empty
 * or was removed, negative errno: cannot tell. */
int scope_cgroup_reopen(const Proc *proc, uint64_t id, int *events);

/* The path of that cgroup below proc_cgroup_dirfd. 0 or negative errno. */
int scope_cgroup_path(const Proc *proc, pid_t pid, char *path, size_t size);

#endif
