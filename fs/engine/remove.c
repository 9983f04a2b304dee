#include "base/crash-point.h"
#include "engine/engine.h"
#include "engine/guard.h"
#include "engine/life.h"
#include "engine/notice.h"
#include "engine/observed.h"
#include "engine/reaper.h"
#include "engine/reserved.h"
#include "engine/vacate.h"

/* A claim just made has been looked up twice: by the create, and by the kernel on the way to this
 * removal. With no further look nobody can be inside, or hold it open. */
#define LOOKUPS_OF_A_BARE_PAIR 2

static bool is_unseen(const Node *node)
{
    return node->claim && !node->handles && node->lookups <= LOOKUPS_OF_A_BARE_PAIR;
}

/* What stands under the name, as far as the table of nodes must be told; NULL when the kernel never
 * heard of it. */
static Node *find_node(Engine *engine, Node *dir, const char *name, const Claim *claim, bool is_dir,
                       struct stat *st)
{
    if (claim && is_dir)
        return node_at(&engine->store, claim->node);
    if (source_stat_at(&engine->store, dir, name, st) < 0)
        return NULL;
    return node_by_ino(&engine->store, st->st_dev, st->st_ino);
}

static int remove_from_source(Engine *engine, const Caller *caller, Node *dir, const char *name,
                              bool is_dir, Node *node)
{
    int r = source_remove(&engine->store, caller, dir, name, is_dir);
    if ((r != -ENOTEMPTY && r != -EEXIST) || !node)
        return r;
    /* What keeps it from being empty may be dead, and then is not there for anybody. */
    r = vacate_children(engine, node);
    struct stat st;
    if (r == 0) /* what an act notes is what was looked at last */
        r = source_stat_at(&engine->store, dir, name, &st);
    return r < 0 ? r : source_remove(&engine->store, caller, dir, name, is_dir);
}

static int remove_name(Engine *engine, const Caller *caller, Node *dir, const char *name,
                       bool is_dir)
{
    Claim *claim = life_find(engine, dir, name);
    int r =
        claim ? guard_claim(engine, caller, claim, ACT_REMOVE) : guard_alter(engine, caller, dir);
    if (r < 0)
        return r;
    struct stat st = {.st_nlink = 1};
    Node *node = find_node(engine, dir, name, claim, is_dir, &st);
    if (node)
        node_before_removal(&engine->store, node, dir, name, is_unseen(node));
    CRASH_POINT("removal-prepared");
    r = remove_from_source(engine, caller, dir, name, is_dir, node);
    /* Gone already, behind the mount or by a request that was given up: that is a release, too. */
    if (r < 0 && !(r == -ENOENT && claim))
        return r;
    CRASH_POINT("removed");
    if (node)
        node_after_removal(&engine->store, node, dir, name, is_dir || st.st_nlink <= 1);
    if (claim) {
        if (engine->store.in_place)
            absent_note(&engine->absent, node_id(&engine->store, dir), name);
        CRASH_POINT("removed-forgotten");
        notice_claim(engine, NOTICE_RELEASED, claim);
        life_end(engine, claim);
        engine_stats(engine)->released++;
    } else if (node) {
        node_settle(&engine->store, node);
    }
    return r;
}

int engine_remove(Engine *engine, const Caller *caller, uint64_t dir_id, const char *name,
                  bool is_dir)
{
    engine_lock(engine);
    Node *dir = node_by_id(&engine->store, dir_id);
    int r = 1;
    if (!dir)
        r = -ESTALE;
    else if (reserved_name(name))
        r = -ENOENT;
    else if (reaper_is(engine, caller))
        r = reaper_remove(engine, dir, name);
    if (r > 0) {
        r = remove_name(engine, caller, dir, name, is_dir);
        if (r == 0)
            observed_removed(engine, caller, dir, name);
    }
    engine_unlock(engine);
    return r;
}
