#include "engine/snapshot-walk.h"

#include "engine/life.h"

#include <errno.h>
#include <stddef.h>

#define STEP 256       /* claims copied under one hold of the lock */
#define ATTEMPTS_MAX 4 /* in steps */

struct SnapshotWalk {
    SnapshotWalk *next;
    Engine *engine;
    uint64_t dir; /* node id */
    uint32_t top; /* its slot */
    Snapshot *out;
    GString *path;     /* scratch: the engine's may be in use when a record is about to change */
    GHashTable *early; /* slots copied before their turn */
    uint32_t at, end;  /* slots: the next one, the last one */
    uint64_t last_token;
    bool disturbed;
};

static void copy(SnapshotWalk *walk, uint32_t index)
{
    const Claim *claim = slot_look(&walk->engine->claims.claims, index);
    if (claim && claim->token <= walk->last_token)
        snapshot_add(walk->engine, slot_peek(&walk->engine->store.nodes, walk->top), claim,
                     walk->path, walk->out);
}

/* A record is about to change. */
static void copy_early(SnapshotWalk *walk, uint32_t index)
{
    if (index >= walk->at && index <= walk->end &&
        g_hash_table_add(walk->early, GUINT_TO_POINTER(index)))
        copy(walk, index);
}

static Engine *engine_of(SlotKeeper *keeper)
{
    return (Engine *)(void *)((char *)keeper - offsetof(Engine, journal.keeper));
}

static void keep(SlotKeeper *keeper, uint32_t number, uint32_t index)
{
    Engine *engine = engine_of(keeper);
    if (number == engine->claims.claims.number)
        for (SnapshotWalk *walk = engine->walks; walk; walk = walk->next)
            copy_early(walk, index);
    engine->keep_unwalked(keeper, number, index);
}

static void join(SnapshotWalk *walk)
{
    Engine *engine = walk->engine;
    if (!engine->walks) {
        engine->keep_unwalked = engine->journal.keeper.keep;
        engine->journal.keeper.keep = keep;
    }
    walk->next = engine->walks;
    engine->walks = walk;
}

static void leave(SnapshotWalk *walk)
{
    Engine *engine = walk->engine;
    SnapshotWalk **link = &engine->walks;
    while (*link != walk)
        link = &(*link)->next;
    *link = walk->next;
    if (!engine->walks)
        engine->journal.keeper.keep = engine->keep_unwalked;
}

void snapshot_walk_disturb(Engine *engine)
{
    for (SnapshotWalk *walk = engine->walks; walk; walk = walk->next)
        walk->disturbed = true;
}

/* The moment. false: there is no such directory. */
static bool begin(SnapshotWalk *walk)
{
    Engine *engine = walk->engine;
    Node *top = node_by_id(&engine->store, walk->dir);
    if (!top)
        return false;
    life_sweep(engine);
    snapshot_begin(engine, walk->out);
    snapshot_add_unowned(engine, top, walk->out);
    walk->top = node_index(&engine->store, top);
    walk->at = 1;
    walk->end = engine->claims.claims.used;
    walk->last_token = *engine->claims.last_token;
    walk->disturbed = false;
    g_hash_table_remove_all(walk->early);
    join(walk);
    return true;
}

static void step(SnapshotWalk *walk, uint32_t count)
{
    uint32_t last = count <= walk->end - walk->at ? walk->at + count - 1 : walk->end;
    for (; walk->at <= last; walk->at++)
        if (!g_hash_table_contains(walk->early, GUINT_TO_POINTER(walk->at)))
            copy(walk, walk->at);
}

/* false: a directory was moved, and all of it is to be done again. */
static bool go(SnapshotWalk *walk, Creds *creds, bool in_steps)
{
    Engine *engine = walk->engine;
    while (walk->at <= walk->end && !walk->disturbed) {
        step(walk, in_steps ? STEP : UINT32_MAX);
        if (walk->at > walk->end || walk->disturbed)
            break;
        engine_unlock_aside(engine);
        engine_give_way(engine);
        engine_lock_aside(engine, creds);
    }
    leave(walk);
    if (walk->disturbed)
        snapshot_done(walk->out);
    return !walk->disturbed;
}

int snapshot_walk(Engine *engine, uint64_t dir, Snapshot *out)
{
    SnapshotWalk walk = {
        .engine = engine,
        .dir = dir,
        .out = out,
        .path = g_string_new(NULL),
        .early = g_hash_table_new(NULL, NULL),
    };
    Creds creds;
    bool done = false;
    creds_init_thread(&creds, &engine->serving_creds);
    engine_lock_aside(engine, &creds);
    for (int i = 0; !done && begin(&walk); i++)
        done = go(&walk, &creds, i < ATTEMPTS_MAX);
    engine_unlock_aside(engine);
    g_hash_table_unref(walk.early);
    g_string_free(walk.path, TRUE);
    return done ? 0 : -ESTALE;
}
