#include "engine/vacate.h"

#include "base/clock.h"
#include "base/crash-point.h"
#include "engine/heals.h"
#include "engine/life.h"
#include "engine/trash.h"

static bool holds_content(const struct stat *st, const Owner *owner)
{
    /* What was judged by what it says is kept for its words, too. */
    if (S_ISLNK(st->st_mode) && owner->presumed)
        return true;
    /* A file with another name keeps its content under that. */
    return S_ISREG(st->st_mode) && st->st_size > 0 && st->st_nlink == 1;
}

static int remove_entry(Engine *engine, Node *dir, const char *name, Node *node,
                        const struct stat *st)
{
    Caller self = creds_daemon(engine->store.creds);
    bool is_dir = S_ISDIR(st->st_mode);
    node_before_removal(&engine->store, node, dir, name, false);
    int r = source_remove(&engine->store, &self, dir, name, is_dir);
    CRASH_POINT("vacated");
    if (r == 0)
        node_after_removal(&engine->store, node, dir, name, is_dir || st->st_nlink <= 1);
    return r;
}

/* An entry that was judged stale by what it said, and says something else now. */
static bool is_newer(Engine *engine, const Claim *claim, const struct stat *st)
{
    return claim->reason == OWNER_INFERRED && !claim->broken &&
           owner_peek(&engine->claims, claim->owner)->presumed &&
           clock_ns(st->st_ctim) > claim->acquired_ns;
}

/* *kept: where its content went. */
static int take_off_source(Engine *engine, Claim *claim, TrashPlace *kept)
{
    Node *dir = node_at(&engine->store, claim->dir);
    Node *node = node_at(&engine->store, claim->node);
    const char *name = claim_name(&engine->claims, claim);
    struct stat st;
    if (node_is_severed(&engine->store, dir))
        return 0; /* went with the directory it was in */
    int r = source_stat_at(&engine->store, dir, name, &st);
    if (r == -ENOENT || r == -ESTALE)
        return 0;
    if (r < 0)
        return r;
    if (st.st_ino != node->ino || st.st_dev != node->dev || is_newer(engine, claim, &st))
        return 0; /* put there behind our back: not what was claimed */
    r = holds_content(&st, owner_peek(&engine->claims, claim->owner))
            ? -ENOTEMPTY
            : remove_entry(engine, dir, name, node, &st);
    return r == -ENOTEMPTY || r == -EEXIST ? trash_take(engine, dir, name, node, claim->token, kept)
                                           : r;
}

int vacate_claim(Engine *engine, Claim *claim)
{
    TrashPlace kept = {0};
    int r = take_off_source(engine, claim, &kept);
    if (r < 0) {
        log_limited(
            &engine->refusals,
            "cannot remove the entry '%s' of dead pid %d from the source: %s; it stays hidden",
            claim_name(&engine->claims, claim), owner_at(&engine->claims, claim->owner)->pid,
            g_strerror(-r));
        return r;
    }
    CRASH_POINT("vacated-unmarked");
    heals_note(engine, claim, kept.heal.dir ? &kept.heal : NULL);
    claim_table_set_state(&engine->claims, claim, CLAIM_GHOST);
    return 0;
}

int vacate_name(Engine *engine, Node *dir, const char *name)
{
    Claim *claim = life_find(engine, dir, name);
    if (!claim || claim->state == CLAIM_HELD || claim->state == CLAIM_LINGERING)
        return 0;
    int r = claim->state == CLAIM_DEAD ? vacate_claim(engine, claim) : 0;
    if (r == 0)
        life_end(engine, claim);
    return r;
}

int vacate_children(Engine *engine, Node *dir)
{
    uint32_t next;
    for (uint32_t i = claim_table_first_in(&engine->claims, node_index(&engine->store, dir)); i;
         i = next) {
        Claim *claim = claim_at(&engine->claims, i);
        next = claim->dir_next;
        claim = life_current(engine, claim);
        if (claim && claim->state == CLAIM_DEAD) {
            int r = vacate_claim(engine, claim);
            if (r < 0)
                return r;
        }
    }
    return 0;
}
