/* Proving anew that an owner whose descriptors are gone lives: after an unmount, or when all
 * processes that held them were killed.
 *
 * A process is found by pid and compared by start time and pidfs inode; a cgroup by its inode
 * number, which is not given away again in a boot. An owner that others stand for (the leader of a
 * session, process 1 of a container, a parent) is a process like any other.
 */
#ifndef LOCKFS_ENGINE_PROOF_H
#define LOCKFS_ENGINE_PROOF_H

#include "claims/claim-table.h"
#include "proc/pidref.h"

typedef struct {
    PidrefLife life;
    Pidref ref;        /* the process; without a descriptor where a cgroup outlived it */
    int cgroup_events; /* -1: none */
} Proof;

#define PROOF_NONE ((Proof){.life = PIDREF_UNKNOWN, .ref = PIDREF_NONE, .cgroup_events = -1})

/* What `owner` named was of this boot and of our pid namespace. Fills in *proof, which is clear
 * before. */
void proof_of_owner(const Proc *proc, const Owner *owner, Proof *proof);

/* Closes what nobody took. */
void proof_done(Proof *proof);

#define AUTO_PROOF __attribute__((cleanup(proof_done)))

#endif
