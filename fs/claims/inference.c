#include "claims/inference.h"

#include <glib.h>

#define SECOND 1000000000LL

/* What was written so shortly ago may not be finished. */
#define SETTLED (2 * SECOND)

/* What the clock is off by without anybody having set it: stamps are coarse, the boot's own takes a
 * moment. */
#define MARGIN (5 * SECOND)

/* Files are stamped with the last tick of the clock, processes too. */
#define TICK (SECOND / 100)

/* Numbers from here on are seconds of the epoch, and from there on milliseconds. */
#define EPOCH_SECONDS 1000000000ULL
#define EPOCH_MS 1000000000000ULL
#define TICKS_PER_SECOND 100

typedef enum {
    START_SILENT, /* says nothing, or nothing certain */
    START_SAME,   /* to the tick */
    START_OTHER,
} StartSays;

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Does the recorded start speak of this process? Programs count in ticks since boot (as /proc
 * does), in seconds since boot, or write down a time of the epoch at which they had started. */
static StartSays start_says(const LockRecord *record, const InferenceBearer *bearer)
{
    uint64_t start = record->start;
    if (start == 0)
        return START_SILENT;
    if (start == bearer->start_ticks && !bearer->own_clock)
        return START_SAME;
    if (start >= EPOCH_SECONDS) {
        int64_t at = (int64_t)(start >= EPOCH_MS ? start / 1000 : start);
        bool later = at < INT64_MAX / SECOND && bearer->first_ns != INT64_MIN &&
                     bearer->first_ns > at * SECOND + MARGIN;
        return later ? START_OTHER : START_SILENT;
    }
    bool seconds = distance(start * TICKS_PER_SECOND, bearer->start_ticks) <= 2 * TICKS_PER_SECOND;
    return seconds || bearer->own_clock ? START_SILENT : START_OTHER;
}

/* By how much at most the clock can have been set forward since the entry was written: no more than
 * since the boot, and no more than has passed by it. INT64_MAX: cannot tell. */
static int64_t set_forward(const InferenceBearer *bearer, const InferenceEntry *entry, int64_t now)
{
    int64_t passed = now - entry->changed_ns;
    if (bearer->first_ns == INT64_MIN)
        return passed;
    return MIN(passed, bearer->shown_ns - bearer->first_ns);
}

/* It started after the entry was last written, wherever the clock was set in between; a shorter way
 * than MARGIN is not reckoned with. */
static bool is_younger(const InferenceBearer *bearer, const InferenceEntry *entry, int64_t now)
{
    if (bearer->shown_ns == INT64_MAX)
        return false;
    if (set_forward(bearer, entry, now) < MARGIN)
        return bearer->shown_ns > entry->changed_ns + TICK;
    return bearer->first_ns != INT64_MIN && bearer->first_ns > entry->changed_ns + MARGIN;
}

/* Shown to be another process than the one that was recorded. */
static bool is_another(const InferenceBearer *bearer, const InferenceEntry *entry,
                       const LockRecord *record, int64_t now)
{
    if (record->pid_ns && bearer->pid_ns && record->pid_ns != bearer->pid_ns)
        return true;
    return is_younger(bearer, entry, now) || start_says(record, bearer) == START_OTHER;
}

static bool is_elsewhere(const InferenceBearer *bearer, const LockRecord *record)
{
    return record->host[0] && bearer->host && !lock_record_same_host(record->host, bearer->host);
}

static InferenceVerdict keep(InferenceReason why, InferenceReason *reason)
{
    *reason = why;
    return INFERENCE_KEEP;
}

static InferenceVerdict stale(InferenceReason why, InferenceReason *reason)
{
    *reason = why;
    return INFERENCE_STALE;
}

static InferenceVerdict judge_one(const InferenceEntry *entry, const LockRecord *record,
                                  const InferenceBearer *bearer, InferenceReason *reason)
{
    bool older = bearer->last_ns != INT64_MAX && bearer->last_ns <= entry->made_ns + TICK;
    if (!older && start_says(record, bearer) != START_SAME)
        return keep(INFERENCE_UNPROVEN, reason);
    if (bearer->uid != entry->uid)
        return keep(INFERENCE_OTHER_USER, reason);
    if (record->host[0] && !bearer->host)
        return keep(INFERENCE_OTHER_HOST, reason);
    *reason = INFERENCE_OWNER_FOUND;
    return INFERENCE_OWNED;
}

static InferenceVerdict judge(const InferenceEntry *entry, const LockRecord *record,
                              const InferenceWorld *world, const InferenceBearer *bearers,
                              unsigned n, unsigned *owner, InferenceReason *reason)
{
    unsigned others = 0, possible = 0, here = 0, last = 0;
    bool init = false;
    for (unsigned i = 0; i < n; i++) {
        const InferenceBearer *bearer = &bearers[i];
        init = init || (bearer->init && !is_elsewhere(bearer, record));
        if (bearer->init)
            continue;
        others++;
        if (is_another(bearer, entry, record, world->now_ns))
            continue;
        possible++;
        if (is_elsewhere(bearer, record))
            continue;
        here++;
        last = i;
    }
    if (possible == 0 && init && (others == 0 || record->host[0]))
        return keep(INFERENCE_INIT, reason);
    if (possible == 0 && !world->complete)
        return keep(INFERENCE_UNSEEN, reason);
    if (possible == 0)
        return stale(others ? INFERENCE_RECYCLED : INFERENCE_NOBODY, reason);
    if (here == 0)
        return keep(INFERENCE_OTHER_HOST, reason);
    if (here > 1)
        return keep(INFERENCE_SEVERAL, reason);
    InferenceVerdict verdict = judge_one(entry, record, &bearers[last], reason);
    if (verdict == INFERENCE_OWNED)
        *owner = last;
    return verdict;
}

bool inference_is_fresh(const InferenceEntry *entry, int64_t now_ns)
{
    return entry->changed_ns > now_ns - SETTLED;
}

InferenceVerdict inference_decide(const InferenceEntry *entry, const LockRecord *record,
                                  const InferenceWorld *world, const InferenceBearer *bearers,
                                  unsigned n, unsigned *owner, InferenceReason *reason)
{
    if (entry->in_use)
        return keep(INFERENCE_IN_USE, reason);
    if (entry->changed_ns >= world->seen_ns)
        return keep(INFERENCE_LATER, reason);
    if (!entry->settled && inference_is_fresh(entry, world->now_ns))
        return keep(INFERENCE_FRESH, reason);
    if (world->host == INFERENCE_HOST_OTHER)
        return keep(INFERENCE_FOREIGN_HOST, reason);
    if (world->shared && world->host == INFERENCE_HOST_NONE)
        return keep(INFERENCE_SHARED, reason);
    if (!record && !entry->bare)
        return keep(INFERENCE_NO_RECORD, reason);
    if (world->boot_ns != INT64_MIN && entry->changed_ns < world->boot_ns - MARGIN)
        return stale(INFERENCE_BEFORE_BOOT, reason);
    if (!record)
        return keep(INFERENCE_NO_RECORD, reason);
    return judge(entry, record, world, bearers, n, owner, reason);
}

const char *inference_text(InferenceReason reason)
{
    static const char *const texts[] = {
        [INFERENCE_IN_USE] = "some process has it open or locked",
        [INFERENCE_FRESH] = "it was changed a moment ago, and somebody may be writing it",
        [INFERENCE_LATER] = "it was changed since lockfs serves the directory",
        [INFERENCE_NO_RECORD] = "it names no process",
        [INFERENCE_FOREIGN_HOST] = ("it names a host that is neither this machine nor a container "
                                    "on it"),
        [INFERENCE_SHARED] = "the filesystem is shared and it names no host",
        [INFERENCE_UNSEEN] = "no process with its pid is seen, but not all can be seen from here",
        [INFERENCE_INIT] = "only process 1 of the machine has its pid, which says nothing",
        [INFERENCE_SEVERAL] = "several processes have its pid",
        [INFERENCE_UNPROVEN] = "a process has its pid, and it cannot be shown that it is the owner",
        [INFERENCE_OTHER_USER] = "a process has its pid, but the entry is another user's",
        [INFERENCE_OTHER_HOST] = "a process has its pid, but perhaps on another host",
        [INFERENCE_BEFORE_BOOT] = "it is older than this boot",
        [INFERENCE_NOBODY] = "no process has its pid",
        [INFERENCE_RECYCLED] = "the processes that have its pid now are others",
        [INFERENCE_OWNER_FOUND] = "the process that it names lives and is older than it",
    };
    return texts[reason];
}
