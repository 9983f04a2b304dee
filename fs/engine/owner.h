/* From a request to the owner record of the claim it makes.
 *
 * Finding out who somebody is costs a dozen reads of /proc; so an owner is remembered while its
 * pidfd says it lives. A request whose thread id is the pid of a remembered, living process comes
 * from that process and no other, because the number cannot have been given away. What may have
 * changed is its program: exec can turn a process into a helper, so the executable is compared.
 *
 * Called with the engine's lock held.
 */
#ifndef LOCKFS_ENGINE_OWNER_H
#define LOCKFS_ENGINE_OWNER_H

#include "engine/engine.h"
#include "engine/proof.h"

typedef struct {
    Owner *owner;
    Owner *heir; /* NULL: the owner itself called */
    pid_t caller_pid;
    char caller_comm[CLAIM_COMM_SIZE];
    uint8_t reason;      /* OwnerReason */
    uint8_t caller_kind; /* HelperKind */
} OwnerFound;

/* Who shall own what this caller makes under this rule. Both are watched for death before this
 * returns, and held: give that back with owner_release_found(). -ENOLCK when it cannot be found out
 * (and says why in the log): a caller without a pid here, a kernel thread, no descriptors. */
int owner_resolve(Engine *engine, const Caller *caller, const Rule *rule, OwnerFound *found);

/* The same with no word in the log, and the errno that says why. */
int owner_identify(Engine *engine, const Caller *caller, OwnerScope scope, OwnerFound *found);

/* Was it a program that only copies or unpacks, such as cp, mv, tar? */
bool owner_found_takes_no_locks(const OwnerFound *found);

/* The request is over; whoever got no claim is settled. */
void owner_release_found(Engine *engine, const OwnerFound *found);

/* The record of a living process named by its pid, to be given a claim. Held, as by
 * owner_resolve(). -ESRCH: there is none. */
int owner_of_pid(Engine *engine, pid_t pid, OwnerFound *found);

/* Keeps the record, with its descriptors until it is dead; as long as this process serves. */
void owner_hold(Engine *engine, Owner *owner);
void owner_unhold(Engine *engine, Owner *owner);

/* Holds a claim (again). */
void owner_in_use(Engine *engine, Owner *owner);

/* Holds one less: keeps a living one as a cache for a while, lets go of a dead one. */
void owner_settle(Engine *engine, Owner *owner);

/* Closes the descriptors of a dead one; the record stays for the claims that have not gone yet. */
void owner_close(Engine *engine, Owner *owner);

/* Removes the record and closes its descriptors. It must hold no claims and no holds. */
void owner_discard(Engine *engine, Owner *owner);

/* Watches again, in a table taken up from a process that died. */
void owner_recover(Engine *engine, Owner *owner);

/* Proves one without descriptors: it has them again, or is dead, or cannot be proven now. */
void owner_prove(Engine *engine, Owner *owner);

/* Does it lack what tells whether it lives? */
static inline bool owner_is_unproven(const Owner *owner)
{
    return !owner->dead && owner->pidfd < 0 && owner->cgroup_events < 0;
}

/* The record for an owner of an earlier mount: living, with the descriptors of the proof (which are
 * taken), or dead, `presumed` (see heals.h) for that reason. NULL: no room. */
Owner *owner_adopt(Engine *engine, const Owner *was, Proof *proof, uint8_t presumed);

/* The record of an owner who is gone: its `dead` and descriptors are filled in. NULL: no room. */
Owner *owner_add_dead(Engine *engine, const Owner *fields);

/* Is the caller the owner or of its family? Cannot tell is a stranger: refusing is the safe side.
 */
bool owner_is_family(Engine *engine, const Caller *caller, const Claim *claim);
bool owner_is_family_of(Engine *engine, const Caller *caller, Owner *owner);

#endif
