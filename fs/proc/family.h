/* Who belongs to an owner, and so may do with its lock what the owner may.
 *
 * Each function returns 1 yes, 0 no, negative errno when it cannot tell. None of them asks whether
 * the owner lives: whoever calls them polls its pidfd afterwards, and only then does a yes hold.
 */
#ifndef LOCKFS_PROC_FAMILY_H
#define LOCKFS_PROC_FAMILY_H

#include "proc/pidref.h"

/* The owner itself, or a process whose chain of proven parents reaches it. What process 1 of a pid
 * namespace may only have adopted is no child of it: whoever is in another session than that, and
 * so also a child of it that called setsid. */
int family_descends(const Proc *proc, pid_t pid, const Pidref *owner);

int family_in_session(const Proc *proc, pid_t pid, const Pidref *owner);

/* In the owner's pid namespace or one below it; never so for an owner in our own. */
int family_in_container(const Proc *proc, pid_t pid, const Pidref *owner);

/* In that cgroup or one below it. */
int family_in_cgroup(const Proc *proc, pid_t pid, uint64_t cgroup_id);

#endif
