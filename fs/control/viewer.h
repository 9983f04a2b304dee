/* For whom something is rendered, and how a process looks to them.
 *
 * Numbers of processes are the daemon's; a viewer in a pid namespace below gets their own beside
 * them (pid_here). Of other users' processes, and of those outside the viewer's pid namespace, no
 * more is told than /proc would tell: not the executable, and with hidepid= no name, or not even
 * the number. What is kept back is null. Whose a lock is (uid) anybody sees who can stat it.
 */
#ifndef LOCKFS_CONTROL_VIEWER_H
#define LOCKFS_CONTROL_VIEWER_H

#include "engine/observed.h"
#include "engine/snapshot.h"

typedef struct {
    const Proc *proc;
    uid_t uid;
    uint64_t pid_ns;    /* 0: not known */
    Hiding hiding;      /* of other users' processes */
    GHashTable *owners; /* NULL, or what has been said of owners: said once for all their claims */
} Viewer;

/* The caller must wait for its answer meanwhile. To be called as the daemon, as all below. */
Viewer viewer_of(const Proc *proc, const Caller *caller);

/* Members of an object that is open, about a process of this user: pid, comm (NULL: left out). */
void viewer_process(const Viewer *viewer, GString *out, pid_t pid, const char *comm, uid_t uid);

void viewer_owner(const Viewer *viewer, GString *out, const SnapshotOwner *owner);

/* A claim, as one object. `waiters` are all of the snapshot's; NULL: left out. */
void viewer_claim(const Viewer *viewer, GString *out, const SnapshotClaim *claim, int64_t now_ns,
                  const GArray *waiters);
void viewer_heal(const Viewer *viewer, GString *out, const Heal *heal);

void viewer_pattern(const Viewer *viewer, GString *out, const ObservedPattern *pattern);

/* A rule as a member; NULL: null. */
void viewer_rule(GString *out, const char *key, const Rule *rule);

const char *viewer_kind(ClaimKind kind);
const char *viewer_takeover(TakeoverCause cause);

#endif
