/* All claims as they were at one moment, though there may be a million of them, without keeping
 * anybody from the lock for longer than a few hundred take.
 *
 * The moment is when the walk begins: then the claims of owners that have died are brought up to
 * date. After that they are copied in steps, and in between anything may happen; but a record that
 * has not been copied yet is copied before it changes: the journal is told of every record before
 * anybody can change it (base/slots.h), and passes on what it is told while a walk is under way.
 * What was made since has a larger token.
 *
 * A directory that is moved with claims inside changes paths without changing claims: the walk
 * begins anew, and after some of those makes its copy in one step.
 */
#ifndef LOCKFS_ENGINE_SNAPSHOT_WALK_H
#define LOCKFS_ENGINE_SNAPSHOT_WALK_H

#include "engine/snapshot.h"

/* In a thread of the pool. As snapshot_take(). */
int snapshot_walk(Engine *engine, uint64_t dir, Snapshot *out);

/* With the lock held: a directory goes from one place to another, and claims with it. */
void snapshot_walk_disturb(Engine *engine);

#endif
