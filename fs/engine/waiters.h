/* Who waits: processes whose attempts on a held name failed lately.
 *
 * A failed attempt is a lookup and nothing more, and so is any look at the name; what tells them
 * apart comes afterwards: who only looks asks for attributes next or opens, and is taken off again
 * (waiters_cancel). One fixed table serves the whole mount, so a claim carries nothing, and what
 * collides is forgotten: the table is for people.
 *
 * An attempt of a thread that was seen at this claim before costs a few stores. A new one is looked
 * up in /proc while it waits for its answer, because a helper (mkdir in a script's loop) is gone a
 * moment later; that is dear, and so rationed.
 *
 * Called with the engine's lock held. Another worker finds the table as it is.
 */
#ifndef LOCKFS_ENGINE_WAITERS_H
#define LOCKFS_ENGINE_WAITERS_H

#include "engine/engine.h"

/* How long after its last attempt somebody still counts as waiting. */
#define WAITERS_RECENT_NS (60 * 1000000000LL)

typedef struct {
    uint64_t token; /* of the claim; 0: free */
    int64_t first_ns, last_ns;
    uint64_t start_time;
    pid_t tid;
    pid_t pid; /* who would own the claim; 0: not found out */
    uint32_t uid;
    uint32_t attempts;
    bool family; /* of the owner: it does not wait */
    bool told;
    char comm[CLAIM_COMM_SIZE];
} Waiter;

#define WAITERS_SLOTS 1024

/* slots: of WAITERS_SLOTS, borrowed; what was noted in them before is kept. */
Waiters *waiters_new(Waiter *slots);
void waiters_free(Waiters *waiters);

void waiters_note(Engine *engine, const Caller *caller, const Claim *claim);

/* What this caller asks next of the node shows that its last lookup of the name was only a look. */
void waiters_cancel(Engine *engine, const Caller *caller, const Node *node);

/* All of the last minute, several threads or helpers of one process put together, oldest first. */
GArray *waiters_list(Engine *engine, int64_t now);

/* How many there are now. */
guint waiters_count(Engine *engine);

/* When waiters_tell() has something to do (since the epoch); INT64_MAX: not. */
int64_t waiters_tell_at(const Engine *engine);

/* Tells listeners of those who have begun to wait. For the reaper. */
void waiters_tell(Engine *engine, int64_t now);

#endif
