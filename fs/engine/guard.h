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

/* Nothing is found by name in what belonged to a dead owner. */
int guard_path(Engine *engine, Node *dir);

/* The verdict with the relation found out where it matters. */
ClaimVerdict guard_ask(Engine *engine, const Caller *caller, const Claim *claim, ClaimAct act);

#endif
