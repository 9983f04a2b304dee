#include "engine/snapshot.h"

#include "base/clock.h"
#include "engine/entry.h"
#include "engine/life.h"

#include <string.h>

/* The path from `top` down to the claim into `path`; false: it is not below. Only looks: the
 * journal need not keep what is looked at. */
static bool path_below(Engine *engine, const Node *top, const Claim *claim, GString *path)
{
    g_string_assign(path, claim_name(&engine->claims, claim));
    const Node *dir = node_peek(&engine->store, claim->dir);
    for (; dir && dir != top; dir = node_above(&engine->store, dir)) {
        g_string_prepend_c(path, '/');
        g_string_prepend(path, names_get(&engine->names, dir->name));
    }
    return dir != NULL;
}

static SnapshotOwner copy_owner(const Owner *owner)
{
    SnapshotOwner copy = {
        .pid = owner->pid,
        .start_time = owner->start_time,
        .cgroup_id = owner->cgroup_id,
        .uid = owner->uid,
        .scope = owner->scope,
    };
    memcpy(copy.comm, owner->comm, sizeof copy.comm);
    return copy;
}

static SnapshotClaim copy_claim(const Engine *engine, const Claim *claim)
{
    SnapshotClaim copy = {
        .token = claim->token,
        .acquired_ns = claim->acquired_ns,
        .rule = rule_set_rule(engine->rules, claim->rule),
        .owner = copy_owner(owner_peek(&engine->claims, claim->owner)),
        .caller_pid = claim->caller_pid,
        .kind = (ClaimKind)claim->kind,
        .state = (ClaimState)claim->state,
        .reason = (OwnerReason)claim->reason,
    };
    memcpy(copy.caller_comm, claim->caller_comm, sizeof copy.caller_comm);
    return copy;
}

bool snapshot_claim(Engine *engine, const Node *dir, const Claim *claim, SnapshotClaim *out,
                    char **path)
{
    if (!path_below(engine, dir, claim, engine->path))
        return false;
    *path = g_strdup(engine->path->str);
    *out = copy_claim(engine, claim);
    out->path = *path;
    return true;
}

void snapshot_begin(Engine *engine, Snapshot *snapshot)
{
    snapshot->now_ns = clock_real_ns();
    snapshot->claims = g_array_new(FALSE, FALSE, sizeof(SnapshotClaim));
    snapshot->strings = g_string_chunk_new(4096);
    snapshot->rules = rule_set_ref(engine->rules);
    snapshot->waiters = waiters_list(engine, snapshot->now_ns);
}

void snapshot_add(Engine *engine, const Node *top, const Claim *claim, GString *path,
                  Snapshot *snapshot)
{
    if ((claim->state != CLAIM_HELD && claim->state != CLAIM_LINGERING) ||
        !path_below(engine, top, claim, path))
        return;
    SnapshotClaim copy = copy_claim(engine, claim);
    copy.path = g_string_chunk_insert_len(snapshot->strings, path->str, (gssize)path->len);
    g_array_append_val(snapshot->claims, copy);
}

typedef struct {
    Engine *engine;
    Node *top;
    Snapshot *snapshot;
} Unclaimed;

static void add_unowned(void *user, const Unowned *unowned)
{
    const Unclaimed *unclaimed = user;
    Snapshot *snapshot = unclaimed->snapshot;
    g_autofree char *path = snapshot_path_below(unclaimed->engine, unclaimed->top, unowned->path);
    if (!path)
        return;
    SnapshotClaim copy = {
        .path = g_string_chunk_insert(snapshot->strings, path),
        .acquired_ns = unowned->entry.made_ns,
        .rule = unowned->rule,
        .kind = unowned->kind,
        .unowned = inference_text(unowned->reason),
        .recorded_pid = unowned->record.pid,
        .recorded_host = g_string_chunk_insert(snapshot->strings, unowned->record.host),
    };
    g_array_append_val(snapshot->claims, copy);
}

void snapshot_add_unowned(Engine *engine, Node *top, Snapshot *snapshot)
{
    infer_each(engine, add_unowned, &(Unclaimed){engine, top, snapshot});
}

static int take_claim(Engine *engine, const Node *top, uint32_t index, Snapshot *out)
{
    const Claim *claim = life_look(engine, index);
    snapshot_begin(engine, out);
    if (claim)
        snapshot_add(engine, top, claim, engine->path, out);
    if (out->claims->len)
        return 0;
    snapshot_done(out);
    return -ENOENT;
}

static int take_name(Engine *engine, Node *top, const char *name, Snapshot *out)
{
    const Unowned *unowned = infer_find(engine, top, name);
    const Claim *claim = unowned ? NULL : life_find(engine, top, name);
    if (!unowned)
        return take_claim(engine, top, claim ? claim_index(&engine->claims, claim) : 0, out);
    snapshot_begin(engine, out);
    add_unowned(&(Unclaimed){engine, top, out}, unowned);
    return 0;
}

int snapshot_take_one(Engine *engine, uint64_t dir, const char *name, Snapshot *out)
{
    engine_lock(engine);
    Node *top = node_by_id(&engine->store, dir);
    int r = top ? take_name(engine, top, name, out) : -ESTALE;
    engine_unlock(engine);
    return r;
}

int snapshot_take_node(Engine *engine, const Caller *caller, uint64_t id, Snapshot *out)
{
    engine_lock(engine);
    const Node *node = node_by_id(&engine->store, id);
    int r = node ? -ENODATA : -ESTALE;
    if (node && node->claim) {
        const Claim *claim = claim_peek(&engine->claims, node->claim);
        waiters_cancel(engine, caller, node);
        if (take_claim(engine, node_peek(&engine->store, claim->dir), node->claim, out) == 0)
            r = 0;
    }
    engine_unlock(engine);
    return r;
}

void snapshot_done(Snapshot *snapshot)
{
    g_array_unref(snapshot->claims);
    g_array_unref(snapshot->waiters);
    g_string_chunk_free(snapshot->strings);
    rule_set_unref(snapshot->rules);
}

char *snapshot_path_below(Engine *engine, Node *top, const char *path)
{
    const char *here = entry_path_of(engine, top);
    size_t len = strlen(here);
    if (len == 0)
        return g_strdup(path);
    bool below = strncmp(path, here, len) == 0 && path[len] == '/';
    return below ? g_strdup(path + len + 1) : NULL;
}

GPtrArray *snapshot_heals(Engine *engine, uint64_t dir)
{
    engine_lock(engine);
    Node *top = node_by_id(&engine->store, dir);
    GPtrArray *list = NULL;
    if (top) {
        list = heals_list(engine);
        for (guint i = list->len; i-- > 0;) {
            Heal *heal = g_ptr_array_index(list, i);
            char *path = snapshot_path_below(engine, top, heal->path);
            g_free(heal->path);
            heal->path = path;
            if (!path)
                g_ptr_array_remove_index(list, i); /* frees it */
        }
    }
    engine_unlock(engine);
    return list;
}
