/* Is a claim alive, now? And what follows when it is not.
 *
 * The state in the table is what was last seen. Before any decision it is brought up to date here,
 * by asking the owner's pidfd; so the entry of a dead owner is hidden by the first request that
 * meets it, whether or not the reaper has been there. Called with the engine's lock held.
 */
#ifndef LOCKFS_ENGINE_LIFE_H
#define LOCKFS_ENGINE_LIFE_H

#include "engine/engine.h"

/* Final once true. Asked at most once in an operation: whoever dies in the middle of it died after
 * it. */
bool life_owner_is_dead(Engine *engine, Owner *owner);

/* The claim with its state up to date; NULL when it turned out to be over and its entry to be data
 * (unpacked.h, observe). NULL stays NULL.
 *
 * When an owner dies, a claim passes to its heir — the process that handed over to the owner, such
 * as a background subshell which ran mkdir — if that one lives: it may still be at work under the
 * lock. */
Claim *life_current(Engine *engine, Claim *claim);

/* The same by slot, to read only: what has not changed since is left alone. NULL: none in use. */
const Claim *life_look(Engine *engine, uint32_t index);

/* The claim of a name, up to date. */
Claim *life_find(Engine *engine, const Node *dir, const char *name);

/* Brings the claims of all owners that have died up to date, so that only what is held counts as
 * held. Asks every owner: for when a bound is reached. */
void life_sweep(Engine *engine);

/* Ends a claim: released, published or healed. Lets go of the nodes and of an owner that is no
 * longer needed. */
void life_end(Engine *engine, Claim *claim);

/* Puts a new claim into the table (see claim_table_add) and on its nodes. */
void life_begin(Engine *engine, Claim *claim, Owner *owner, Owner *heir);

/* The claim now stands for another file, or at another place (node counts included). */
void life_set_node(Engine *engine, Claim *claim, Node *node);
bool life_move(Engine *engine, Claim *claim, Node *dir, const char *name);

/* Makes `owner` the owner; the token is a new one. */
void life_transfer(Engine *engine, Claim *claim, Owner *owner);

/* A directory with `count` claims in it went from one parent to another. */
void life_carry(Engine *engine, uint32_t count, Node *from, Node *to);

/* The state of a claim that is held, or no longer: what its owner's uid holds is counted along.
 * (See claim_table_set_state for what becomes what.) */
void life_set_state(Engine *engine, Claim *claim, ClaimState state);
/* Counts again, in a table taken up from a process that died. */
void life_recover(Engine *engine, Claim *claim);

uint32_t life_held_by_uid(const Engine *engine, uid_t uid);

#endif
