#include "engine/unpacked.h"

#include "base/clock.h"
#include "engine/decision.h"
#include "engine/life.h"
#include "engine/notice.h"
#include "engine/owner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Programs that keep time in seconds set the present up to one too early; the clock of files lags
 * behind a little. */
#define SLACK_NS (2 * CLOCK_NS_PER_S)

/* Where the clock was set back since the lock was made, the present looks like the past. */
static bool is_past(const Claim *claim, const struct timespec *time)
{
    if (time->tv_nsec == UTIME_NOW || clock_real_ns() < claim->acquired_ns)
        return false;
    return time->tv_sec * CLOCK_NS_PER_S + time->tv_nsec < claim->acquired_ns - SLACK_NS;
}

void unpacked_note_time(Engine *engine, const Caller *caller, const Node *node,
                        const struct timespec *mtime)
{
    if (mtime->tv_nsec == UTIME_OMIT || !S_ISREG(node->mode))
        return;
    for (uint32_t i = node->claim; i; i = claim_at(&engine->claims, i)->node_next) {
        Claim *claim = claim_at(&engine->claims, i);
        if (claim->state == CLAIM_HELD)
            claim->dated = is_past(claim, mtime) && owner_is_family(engine, caller, claim);
    }
}

static bool has_content(Engine *engine, const Claim *claim)
{
    Node *dir = node_at(&engine->store, claim->dir);
    struct stat st;
    return source_stat_at(&engine->store, dir, claim_name(&engine->claims, claim), &st) == 0 &&
           st.st_size > 0;
}

bool unpacked_is_data(Engine *engine, const Claim *claim)
{
    const Owner *owner = owner_at(&engine->claims, claim->owner);
    if (claim->tidy && owner->exit_known && WIFEXITED(owner->exit_status))
        return true;
    return claim->dated && !(owner->exit_known && WIFSIGNALED(owner->exit_status)) &&
           has_content(engine, claim);
}

void unpacked_leave(Engine *engine, Claim *claim)
{
    notice_claim(engine, NOTICE_UNPACKED, claim);
    decision_log(engine, &engine->heal_lines, "keep", claim, NULL,
                 claim->dated ? "dated" : "exited");
    engine_stats(engine)->unpacked++;
    life_end(engine, claim);
}
