/* Lock entries that were there before lockfs and of which no claim is known: left by a process that
 * is gone, or held by one that took them before the mount.
 *
 * Such an entry is judged when it is first met (claims/inference.h says how). What is provably
 * stale becomes the claim of a dead owner, and heals like any other. What is provably owned becomes
 * the claim of its owner. The rest stays as it is and is remembered as unowned, with the reason.
 *
 * Entries that were changed after the mount are none of these: they are data that somebody made
 * under a lock name. What is remembered is private and is found out again after a takeover.
 *
 * Lock held, except where it says otherwise.
 */
#ifndef LOCKFS_ENGINE_INFER_H
#define LOCKFS_ENGINE_INFER_H

#include "claims/inference.h"
#include "engine/engine.h"

/* An entry that stays. */
typedef struct {
    uint64_t dev, ino;
    int64_t ctime_ns;
    int64_t again_ns; /* since boot: when it is worth to be judged again; INT64_MAX: not */
    char *path;       /* from the root */
    const Rule *rule;
    InferenceEntry entry;
    InferenceReason reason;
    LockRecord record; /* pid 0: none */
    ClaimKind kind;
} Unowned;

/* NULL: nothing is inferred on this mount. */
Infer *infer_new(const EngineOptions *options);
void infer_free(Infer *infer);

/* Serving begins: what is changed from here on is no left-over, for later workers neither. Without
 * the lock. */
void infer_begin(Engine *engine);

/* Takes the census that judging needs, if there is none yet; else the first judgement does. It
 * reads all of /proc. Without the lock. */
void infer_prepare(Engine *engine);

/* The entry (dir, name) was found and has no claim: judges it, if it is a lock. The claim that it
 * is now, up to date; NULL: none. */
Claim *infer_entry(Engine *engine, Node *dir, const char *name, Node *node, const struct stat *st);

/* The same for a name that may or may not be there. */
Claim *infer_name(Engine *engine, Node *dir, const char *name);

/* What is remembered of (dir, name), if that still stands; NULL: it is not unowned. */
const Unowned *infer_find(Engine *engine, Node *dir, const char *name);

/* Makes an unowned entry the claim of nobody, to be broken. NULL: there is none, or no room. */
Claim *infer_take(Engine *engine, Node *dir, const char *name);

/* All that still stand. */
typedef void (*InferFunc)(void *user, const Unowned *unowned);
void infer_each(Engine *engine, InferFunc each, void *user);

#endif
