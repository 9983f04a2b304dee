/* Who is asking, and who shall own what is asked for.
 *
 * A caller is a thread; the owner of a claim is a process. A helper program (mkdir, ln,
 * dotlockfile, sudo …) and a forked subshell hand over to their parent, repeatedly, until a process
 * is reached that is neither. A step to a parent is taken only when it provably is the parent; when
 * a step cannot be proven (the parent died meanwhile), the process reached so far is the owner:
 * never a guess. Process 1 of the machine, kernel threads and whoever merely adopted an orphan are
 * nobody's starter (see handover.h).
 *
 * Rules can widen the owner: see OwnerScope.
 */
#ifndef LOCKFS_PROC_IDENTITY_H
#define LOCKFS_PROC_IDENTITY_H

#include "proc/helper-list.h"
#include "proc/pidref.h"
#include "proc/proc-text.h"

typedef enum {
    OWNER_SCOPE_PROCESS,   /* the process, helpers stepped over */
    OWNER_SCOPE_PARENT,    /* the parent of that process (helpers stepped over again) */
    OWNER_SCOPE_SESSION,   /* the leader of its session; where the leader is dead: the process */
    OWNER_SCOPE_CONTAINER, /* process 1 of the caller's pid namespace; in the daemon's own
                              namespace: the process */
    OWNER_SCOPE_CGROUP,    /* gone when the caller's cgroup (v2) is empty and the process is gone;
                              where there is no cgroup: the process */
} OwnerScope;

/* Why the owner is who it is; for people. */
typedef enum {
    OWNER_IS_CALLER,
    OWNER_VIA_HELPER,      /* stepped over at least one helper or subshell */
    OWNER_VIA_SCOPE,       /* widened by the rule's scope */
    OWNER_SCOPE_FELL_BACK, /* the scope asked for could not be proven; narrower one taken */
    OWNER_TRANSFERRED,     /* made the owner by command */
    OWNER_INFERRED,        /* from what the entry said when lockfs came */
} OwnerReason;

typedef struct {
    Pidref caller; /* the process that called */
    char caller_comm[PROC_COMM_SIZE];
    HelperKind caller_kind; /* of the program that it runs */
    Pidref owner;
    char owner_comm[PROC_COMM_SIZE];
    uid_t owner_uid;
    Pidref below; /* OWNER_VIA_HELPER: who handed over to the owner, as a subshell between the two
                     does; PIDREF_NONE: the caller itself */
    char below_comm[PROC_COMM_SIZE];
    OwnerReason reason;
    int cgroup_events; /* OWNER_SCOPE_CGROUP: open descriptor of cgroup.events (it polls EPOLLPRI on
                          change), else -1 */
    uint64_t cgroup_id; /* inode of the cgroup directory, else 0 */
} Identity;

#define IDENTITY_NONE                                                                              \
    ((Identity){                                                                                   \
        .caller = PIDREF_NONE, .owner = PIDREF_NONE, .below = PIDREF_NONE, .cgroup_events = -1})

/* Resolves the pinned thread `tid`. -ESRCH: it has no pid here; -EPERM: a kernel thread; -EMFILE
 * and the like: cannot tell. *out is untouched on failure. */
int identity_resolve(const Proc *proc, const HelperList *helpers, pid_t tid, OwnerScope scope,
                     Identity *out);

/* Closes what `id` holds. To keep a part, copy it out and set the original to PIDREF_NONE / -1. */
void identity_done(Identity *id);

/* Is the pinned process `pid` (a thread group) the owner, or a descendant of it? Walks proven
 * parents, and starts again when one of them ends under it. With a wider scope, also whoever is in
 * the same session, pid namespace (or one below it; only for an owner below our own) or cgroup. A
 * member of the cgroup is family also after the process that made the claim is gone.
 * 1 yes, 0 no, negative errno: cannot tell. `owner` must be alive at the time of the call for a yes
 * to mean anything; it is polled after the walk. */
int identity_is_family(const Proc *proc, pid_t pid, const Pidref *owner, OwnerScope scope,
                       uint64_t cgroup_id);

/* Is a cgroup empty? 1 empty or removed, 0 populated, negative errno: cannot tell. */
int identity_cgroup_empty(int cgroup_events);

#endif
