/* For whom something is rendered, and how a process looks to them.
 *
 * Numbers of processes are the daemon's; a viewer in a pid namespace below gets their own beside
 * them (pid_here). What /proc tells only the same user (the executable) is told to them and to root
 * only.
 */
#ifndef LOCKFS_CONTROL_VIEWER_H
#define LOCKFS_CONTROL_VIEWER_H

#include "engine/observed.h"
#include "engine/snapshot.h"

typedef struct {
    const Proc *proc;
    uid_t uid;
    uint64_t pid_ns; /* 0: not known */
} Viewer;

/* The caller must wait for its answer meanwhile. */
Viewer viewer_of(const Proc *proc, const Caller *caller);

/* Members of an object that is open. */
void viewer_pid(const Viewer *viewer, GString *out, pid_t pid);
void viewer_owner(const Viewer *viewer, GString *out, const SnapshotOwner *owner);

/* A claim, as one object. `waiters` are all of the snapshot's; NULL: left out. */
void viewer_claim(const Viewer *viewer, GString *out, const SnapshotClaim *claim, int64_t now_ns,
                  const GArray *waiters);
void viewer_heal(const Viewer *viewer, GString *out, const Heal *heal, int64_t retain_ns);

void viewer_pattern(GString *out, const ObservedPattern *pattern);

/* A rule as a member; NULL: null. */
void viewer_rule(GString *out, const char *key, const Rule *rule);

const char *viewer_kind(ClaimKind kind);
const char *viewer_cause(HealCause cause);
const char *viewer_takeover(TakeoverCause cause);

#endif
