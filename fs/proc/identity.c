#include "proc/identity.h"

#include "base/fd.h"
#include "proc/family.h"
#include "proc/handover.h"
#include "proc/scope.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define EVENTS_SIZE 256
#define AUTO_IDENTITY __attribute__((cleanup(identity_done)))

/* Puts `wider` in the owner's place; consumes it. */
static void replace_owner(Handover *owner, Handover *wider)
{
    handover_done(owner);
    *owner = *wider;
    *wider = HANDOVER_NONE;
}

/* Hands `owner` up to the process that keeps what it makes. 1 when it moved. *kind is what it was.
 */
static int climb(const Proc *proc, const HelperList *helpers, Handover *owner, Handover *below,
                 HelperKind *kind)
{
    Handover reached = HANDOVER_NONE;
    int moved = handover_kind(proc, helpers, owner, kind);
    if (moved == 0)
        moved = handover_climb(proc, helpers, owner, *kind, &reached, below);
    if (moved > 0)
        replace_owner(owner, &reached);
    return moved < 0 && handover_unproven(moved) ? 0 : moved;
}

static int widen_to_parent(const Proc *proc, const HelperList *helpers, Handover *owner)
{
    AUTO_HANDOVER Handover parent = HANDOVER_NONE;
    AUTO_HANDOVER Handover below = HANDOVER_NONE;
    HelperKind kind;
    int err = handover_starter(proc, owner, &parent);
    if (!err)
        err = climb(proc, helpers, &parent, &below, &kind);
    if (err < 0)
        return err;
    replace_owner(owner, &parent);
    return 1;
}

static int widen(const Proc *proc, const HelperList *helpers, OwnerScope scope,
                 const Handover *caller, Handover *owner, Identity *id)
{
    AUTO_HANDOVER Handover wider = HANDOVER_NONE;
    int found = 0;
    switch (scope) {
    case OWNER_SCOPE_PROCESS:
        return 0;
    case OWNER_SCOPE_PARENT:
        return widen_to_parent(proc, helpers, owner);
    case OWNER_SCOPE_SESSION:
        found = scope_session(proc, owner, &wider);
        break;
    case OWNER_SCOPE_CONTAINER:
        found = scope_container(proc, caller, &wider);
        break;
    case OWNER_SCOPE_CGROUP:
        return scope_cgroup(proc, caller->ref.pid, &id->cgroup_events, &id->cgroup_id);
    }
    if (found <= 0)
        return found;
    if (pidref_same(&wider.ref, &owner->ref))
        return 0;
    replace_owner(owner, &wider);
    return 1;
}

/* An owner that ended meanwhile has no uid to be read any more; the caller acted for it. */
static int owner_uid(const Proc *proc, const Identity *id, uid_t *uid)
{
    int err = pidref_uid(proc, &id->owner, uid);
    return err == -ESRCH ? pidref_uid(proc, &id->caller, uid) : err;
}

int identity_resolve(const Proc *proc, const HelperList *helpers, pid_t tid, OwnerScope scope,
                     Identity *out)
{
    AUTO_HANDOVER Handover caller = HANDOVER_NONE;
    AUTO_HANDOVER Handover owner = HANDOVER_NONE;
    AUTO_HANDOVER Handover below = HANDOVER_NONE;
    AUTO_IDENTITY Identity id = IDENTITY_NONE;
    int err = pidref_open_thread(proc, tid, &caller.ref, &caller.stat);
    if (!err)
        err = pidref_copy(&caller.ref, &owner.ref);
    if (err)
        return err;
    owner.stat = caller.stat;

    int moved = climb(proc, helpers, &owner, &below, &id.caller_kind);
    if (moved < 0)
        return moved;
    id.reason = moved ? OWNER_VIA_HELPER : OWNER_IS_CALLER;
    int widened = widen(proc, helpers, scope, &caller, &owner, &id);
    if (widened < 0 && !handover_unproven(widened))
        return widened;
    if (widened != 0)
        id.reason = widened > 0 ? OWNER_VIA_SCOPE : OWNER_SCOPE_FELL_BACK;

    memcpy(id.caller_comm, caller.stat.comm, sizeof id.caller_comm);
    memcpy(id.owner_comm, owner.stat.comm, sizeof id.owner_comm);
    memcpy(id.below_comm, below.stat.comm, sizeof id.below_comm);
    id.caller = caller.ref;
    id.owner = owner.ref;
    id.below = below.ref;
    caller.ref = owner.ref = below.ref = PIDREF_NONE;
    err = owner_uid(proc, &id, &id.owner_uid);
    if (err)
        return err;
    *out = id;
    id = IDENTITY_NONE;
    return 0;
}

void identity_done(Identity *id)
{
    pidref_done(&id->caller);
    pidref_done(&id->owner);
    pidref_done(&id->below);
    fd_close(id->cgroup_events);
    *id = IDENTITY_NONE;
}

static int in_scope(const Proc *proc, pid_t pid, const Pidref *owner, OwnerScope scope)
{
    switch (scope) {
    case OWNER_SCOPE_SESSION:
        return family_in_session(proc, pid, owner);
    case OWNER_SCOPE_CONTAINER:
        return family_in_container(proc, pid, owner);
    case OWNER_SCOPE_PROCESS:
    case OWNER_SCOPE_PARENT:
    case OWNER_SCOPE_CGROUP:
        break;
    }
    return 0;
}

int identity_is_family(const Proc *proc, pid_t pid, const Pidref *owner, OwnerScope scope,
                       uint64_t cgroup_id)
{
    /* A cgroup lives by its members, and this one is a member: the owner may be long gone. */
    int kin = scope == OWNER_SCOPE_CGROUP ? family_in_cgroup(proc, pid, cgroup_id) : 0;
    if (kin > 0)
        return 1;
    int descends = family_descends(proc, pid, owner);
    if (descends <= 0 && kin == 0)
        kin = in_scope(proc, pid, owner, scope);
    switch (pidref_life(owner)) {
    case PIDREF_DEAD:
        return kin < 0 && scope == OWNER_SCOPE_CGROUP ? kin : 0;
    case PIDREF_UNKNOWN:
        return -EIO;
    case PIDREF_ALIVE:
        break;
    }
    if (descends > 0 || kin > 0)
        return 1;
    return kin < 0 ? kin : descends;
}

int identity_cgroup_empty(int cgroup_events)
{
    char text[EVENTS_SIZE];
    ssize_t len = pread(cgroup_events, text, sizeof text, 0);
    if (len < 0)
        return errno == ENODEV ? 1 : -errno;
    int populated = proc_text_populated(text, (size_t)len);
    return populated < 0 ? populated : !populated;
}
