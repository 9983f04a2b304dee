#include "engine/engine.h"
#include "engine/entry.h"
#include "engine/guard.h"
#include "engine/infer.h"
#include "engine/life.h"
#include "engine/reaper.h"
#include "engine/reserved.h"
#include "engine/waiters.h"

static int look_up_source(Engine *engine, Node *dir, const char *name, Entry *entry)
{
    struct stat st;
    int r = absent_has(&engine->absent, node_id(&engine->store, dir), name)
                ? -ENOENT
                : source_stat_at(&engine->store, dir, name, &st);
    if (r == -ENOENT) {
        entry_fill_absent(engine, dir, name, entry);
        return 0;
    }
    if (r < 0)
        return r;
    Node *node = node_intern(&engine->store, dir, name, &st);
    if (!node)
        return -ENOMEM;
    if (claim_verdict(infer_entry(engine, dir, name, node, &st), ACT_SEE, RELATION_UNKNOWN,
                      engine->options.observe) == VERDICT_ABSENT) {
        entry_fill_absent(engine, dir, name, entry);
        return 0;
    }
    entry_fill(engine, dir, name, node, &st, entry);
    return 0;
}

/* The source need not be asked about a lock directory that only we can remove. This is the whole of
 * a failed attempt, so it counts. (A file has a size, which the kernel takes from every lookup:
 * that one is asked.) */
static bool known_by_claim(const Engine *engine, const Claim *claim)
{
    return engine->store.in_place &&
           (claim->state == CLAIM_HELD || claim->state == CLAIM_LINGERING) &&
           node_is_dir(node_at(&engine->store, claim->node));
}

static void look_up_claim(Engine *engine, Node *dir, const char *name, const Claim *claim,
                          Entry *entry)
{
    Node *node = node_at(&engine->store, claim->node);
    struct stat st = {
        .st_dev = node->dev,
        .st_ino = node->ino,
        .st_mode = node->mode,
        .st_uid = node->uid,
        .st_gid = node->gid,
        .st_nlink = 2,
        .st_blksize = 4096,
    };
    entry_fill(engine, dir, name, node, &st, entry);
}

static int look_up(Engine *engine, const Caller *caller, uint64_t dir_id, const char *name,
                   bool attempt, Entry *entry)
{
    Node *dir = node_by_id(&engine->store, dir_id);
    if (!dir)
        return -ESTALE;
    if (reserved_name(name)) {
        *entry = (Entry){0};
        return 0;
    }
    if (reaper_is(engine, caller)) {
        int r = reaper_lookup(engine, dir, name, entry);
        if (r <= 0)
            return r;
    }
    if (dir->claim) /* it was only passing through */
        waiters_cancel(engine, caller, dir);
    int r = guard_path(engine, dir);
    if (r < 0)
        return r;
    Claim *claim = life_find(engine, dir, name);
    if (claim_verdict(claim, ACT_SEE, RELATION_UNKNOWN, engine->options.observe) ==
        VERDICT_ABSENT) {
        *entry = (Entry){0};
        return 0;
    }
    if (claim && attempt)
        waiters_note(engine, caller, claim);
    if (claim && known_by_claim(engine, claim)) {
        look_up_claim(engine, dir, name, claim, entry);
        return 0;
    }
    r = look_up_source(engine, dir, name, entry);
    if (r == 0 && !entry->node_id && claim && claim->state != CLAIM_GHOST)
        life_end(engine, claim); /* removed behind the mount: that is a release too */
    return r;
}

int engine_lookup(Engine *engine, const Caller *caller, uint64_t dir, const char *name,
                  Entry *entry)
{
    engine_lock(engine);
    int r = look_up(engine, caller, dir, name, true, entry);
    engine_unlock(engine);
    return r;
}

int engine_lookup_listed(Engine *engine, const Caller *caller, uint64_t dir, const char *name,
                         Entry *entry)
{
    engine_lock(engine);
    int r = look_up(engine, caller, dir, name, false, entry);
    engine_unlock(engine);
    return r;
}

void engine_forget(Engine *engine, uint64_t id, uint64_t count)
{
    engine_lock(engine);
    Node *node = node_by_id(&engine->store, id);
    if (node && node != node_root(&engine->store))
        node_forget(&engine->store, node, count);
    engine_unlock(engine);
}

bool engine_lists(Engine *engine, uint64_t dir_id, const char *name, uint64_t *ino)
{
    if (reserved_name(name))
        return false;
    engine_lock(engine);
    Node *dir = node_by_id(&engine->store, dir_id);
    bool listed = dir != NULL;
    if (dir) {
        const Claim *claim = life_find(engine, dir, name);
        if (!claim)
            claim = infer_name(engine, dir, name);
        listed = claim_verdict(claim, ACT_SEE, RELATION_UNKNOWN, engine->options.observe) !=
                 VERDICT_ABSENT;
        const Node *node = node_by_ino(&engine->store, dir->dev, *ino);
        if (node && node->shown_ino)
            *ino = node->shown_ino;
    }
    engine_unlock(engine);
    return listed;
}
