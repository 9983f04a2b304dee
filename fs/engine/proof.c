#include "engine/proof.h"

#include "base/fd.h"
#include "proc/scope.h"

#include <errno.h>

static PidrefLife prove_process(const Proc *proc, const Owner *owner, Pidref *ref)
{
    int r = pidref_open(proc, owner->pid, ref);
    if (r < 0)
        return r == -ESRCH ? PIDREF_DEAD : PIDREF_UNKNOWN;
    bool same = ref->start_time == owner->start_time &&
                (!ref->inode || !owner->inode || ref->inode == owner->inode);
    if (!same)
        pidref_done(ref);
    return same ? PIDREF_ALIVE : PIDREF_DEAD;
}

/* The process that took the claim may be gone: then the record keeps its number, to be shown. */
static PidrefLife prove_cgroup(const Proc *proc, const Owner *owner, Proof *proof)
{
    int r = scope_cgroup_reopen(proc, owner->cgroup_id, &proof->cgroup_events);
    if (r == 0)
        return prove_process(proc, owner, &proof->ref);
    if (r < 0)
        return PIDREF_UNKNOWN;
    if (prove_process(proc, owner, &proof->ref) != PIDREF_ALIVE)
        proof->ref = (Pidref){
            .pid = owner->pid, .fd = -1, .start_time = owner->start_time, .inode = owner->inode};
    return PIDREF_ALIVE;
}

void proof_of_owner(const Proc *proc, const Owner *owner, Proof *proof)
{
    if (owner->dead)
        proof->life = PIDREF_DEAD;
    else if (owner->cgroup_id)
        proof->life = prove_cgroup(proc, owner, proof);
    else
        proof->life = prove_process(proc, owner, &proof->ref);
}

void proof_done(Proof *proof)
{
    pidref_done(&proof->ref);
    proof->cgroup_events = fd_close(proof->cgroup_events);
}
