/* The thread that takes away what the dead left behind, without waiting for somebody to look.
 *
 * It sleeps on the pidfds of all owners. When one dies it removes that owner's entries through the
 * mount, with an ordinary rmdir or unlink, so that inotify watchers see what they would see of a
 * client's. The request comes back to the serving thread, which knows the reaper by its thread id
 * (reaper_is), shows it the dead entry and lets it remove just that generation:
 *
 *     reaper    rmdir("x.lock") ──► kernel ──► LOOKUP x.lock ──► reaper_lookup: the dead claim's
 * node └──► RMDIR x.lock  ──► reaper_remove: off the source, record gone others LOOKUP x.lock ──►
 * ENOENT since the moment of death
 *
 * The kernel holds the directory's lock from that LOOKUP to that RMDIR, so no other create comes
 * between. If another process came first and made the name anew, the reaper is shown the new entry
 * and refused.
 *
 * The reaper holds the engine's lock only to pick its next entry and to strike it off, never during
 * a system call on the mount.
 */
#ifndef LOCKFS_ENGINE_REAPER_H
#define LOCKFS_ENGINE_REAPER_H

#include "engine/lasting.h"

int reaper_new(Engine *engine);

/* Starts and ends the thread. Watching works before that. */
int reaper_start(Engine *engine);
void reaper_stop(Engine *engine);
void reaper_free(Engine *engine);

/* The lock, for the reaper's thread: what happens under it happens with that thread's identity. */
void reaper_lock(Engine *engine);
void reaper_unlock(Engine *engine);

/* --- with the engine's lock held --- */

int reaper_watch(Engine *engine, Owner *owner);
void reaper_unwatch(Engine *engine, Owner *owner);

/* Something of this owner may be ready to go now. */
void reaper_look_again(Engine *engine, uint32_t owner);

/* The entry of a claim that is DEAD by command, whether its owner lives or not. */
void reaper_take_away(Engine *engine, const Claim *claim);

/* There is work that no descriptor tells of. */
void reaper_wake(Engine *engine);

static inline bool reaper_is(const Engine *engine, const Caller *caller)
{
    return caller->tid == engine->lasting->reaper_tid;
}

/* The reaper's own requests, in the serving thread. 1: not about a dead claim, treat as anybody's.
 */
int reaper_lookup(Engine *engine, Node *dir, const char *name, Entry *entry);
int reaper_remove(Engine *engine, Node *dir, const char *name);

#endif
