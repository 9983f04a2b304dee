/* May this caller do this here? The verdicts of the arbiter, put to requests.
 *
 * Called with the engine's lock held. All return 0 or negative errno: -EBUSY, a living claim of
 * somebody else; -ENOENT, it belongs to a claim whose owner is dead.
 */
#ifndef LOCKFS_ENGINE_GUARD_H
#define LOCKFS_ENGINE_GUARD_H

#include "claims/verdict.h"
#include "engine/engine.h"

/* An act on a claimed entry itself. claim may be NULL. */
int guard_claim(Engine *engine, const Caller *caller, const Claim *claim, ClaimAct act);

/* An act that alters a file: it may be a claim's entry, or a member of one. */
int guard_alter(Engine *engine, const Caller *caller, Node *node);

/* An act that alters a file through a handle. One opened for writing while it was allowed stays so:
 * its holder had the right, and a descriptor is what one passes on. One that is older than the
 * claim, its token tells, has to ask. Descriptors go on working when the owner is dead. */
int guard_handle(Engine *engine, const Caller *caller, const Node *node, uint64_t token);

/* The token of the claim that a file belongs to: its own, or that of the directory around it. 0:
 * none. */
uint64_t guard_token(const Engine *engine, const Node *node);

/* Nothing is found by name in what belonged to a dead owner. */
int guard_path(Engine *engine, Node *dir);

/* The verdict with the relation found out where it matters. */
ClaimVerdict guard_ask(Engine *engine, const Caller *caller, const Claim *claim, ClaimAct act);

#endif
