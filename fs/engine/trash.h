/* Where healed content stays for a while: SOURCE/.lockfs/healed/, one entry for each healed entry.
 *
 * An entry's name is TIME-TOKEN-NAME (seconds since the epoch, the claim's token, the old name,
 * shortened when too long), so what is there can be understood and expired by any later daemon.
 * Where a rename there is impossible (another filesystem mounted below the source, a directory that
 * the daemon may not move), the entry is renamed beside its old place, under the reserved prefix,
 * which nothing shows.
 *
 * After `retain` the reaper deletes it. When all that is kept takes more than `retain_max` bytes,
 * the oldest go before their time; what was healed last stays, however large it is. What is where
 * is in the records of heals.h.
 */
#ifndef LOCKFS_ENGINE_TRASH_H
#define LOCKFS_ENGINE_TRASH_H

#include "engine/heals.h"

Trash *trash_new(void);

/* Takes up what an earlier daemon left, to expire at its time. */
void trash_adopt(Engine *engine);

/* Removes the directories if they are empty. */
void trash_free(Engine *engine);

/* Renames (dir, name) out of sight. The node goes with it and is severed: it and what is below stay
 * usable for those who have it open, and are not found by name. *place is filled in, for
 * heals_note(). Lock held. */
typedef struct {
    HealPlace heal;
    char name[256];
} TrashPlace;

int trash_take(Engine *engine, Node *dir, const char *name, Node *node, uint64_t token,
               TrashPlace *place);

/* Gives content back as (dir, name), which must be free: -EEXIST. -ENOENT: not (any more) here.
 * Lock held. */
int trash_restore(Engine *engine, uint64_t token, Node *dir, const char *name);

/* When the next entry expires, on the clock of the epoch in ns; INT64_MAX: never. Lock held. */
int64_t trash_next_expiry(const Engine *engine);

/* Measures what is new. As trash_expire(). */
void trash_measure(Engine *engine);

/* Deletes what has expired, and the oldest while there is too much. Takes the lock itself, but not
 * while deleting. For the reaper's thread.
 */
void trash_expire(Engine *engine, int64_t now);

#endif
