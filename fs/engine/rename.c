#include "base/crash-point.h"
#include "engine/entry.h"
#include "engine/guard.h"
#include "engine/life.h"
#include "engine/make.h"
#include "engine/notice.h"
#include "engine/observed.h"
#include "engine/reserved.h"
#include "engine/snapshot-walk.h"
#include "engine/vacate.h"

#include <linux/fs.h>

/* One end of a rename. */
typedef struct {
    Node *dir;
    const char *name;
    Claim *claim; /* living */
    bool exists;
    struct stat st;
    Node *node; /* when the kernel knows it */
} End;

typedef struct {
    Engine *engine;
    const Caller *caller;
    End from, to;
    unsigned flags;
    bool new_claim; /* an exclusive create of the new name by the caller */
    Claim *reserved;
    OwnerFound who;
} Rename;

static int end_open(Engine *engine, uint64_t dir, const char *name, End *end)
{
    end->dir = node_by_id(&engine->store, dir);
    end->name = name;
    if (!end->dir)
        return -ESTALE;
    return reserved_name(name) ? -EPERM : 0;
}

/* What is there now. A dead claim's entry is not. */
static int end_look(Engine *engine, End *end)
{
    int r = vacate_name(engine, end->dir, end->name);
    if (r < 0)
        return r;
    end->claim = life_find(engine, end->dir, end->name);
    r = source_stat_at(&engine->store, end->dir, end->name, &end->st);
    if (r < 0 && r != -ENOENT)
        return r;
    end->exists = r == 0;
    if (end->exists)
        end->node = node_by_ino(&engine->store, end->st.st_dev, end->st.st_ino);
    return 0;
}

static bool same_file(const Rename *rn)
{
    return rn->to.exists && rn->from.st.st_ino == rn->to.st.st_ino &&
           rn->from.st.st_dev == rn->to.st.st_dev;
}

/* Is this an exclusive create of the new name? A directory, or a file with RENAME_NOREPLACE, onto a
 * lock name where nothing lives. A plain rename of a file is a publish: data, or a claim that moves
 * with its owner. */
static const Rule *exclusive_rule(const Rename *rn)
{
    bool is_dir = S_ISDIR(rn->from.st.st_mode);
    if (rn->to.claim || (rn->flags & RENAME_EXCHANGE) || rn->engine->options.read_only ||
        !(is_dir || (rn->flags & RENAME_NOREPLACE)))
        return NULL;
    return entry_rule(rn->engine, rn->to.dir, rn->to.name,
                      is_dir ? RULE_TARGET_DIR : RULE_TARGET_OTHER);
}

static int permit_end(const Rename *rn, const End *end, ClaimAct act, bool taking)
{
    if (end->claim)
        return guard_claim(rn->engine, rn->caller, end->claim, act);
    return taking ? guard_path(rn->engine, end->dir)
                  : guard_alter(rn->engine, rn->caller, end->dir);
}

static int permit(const Rename *rn)
{
    int r = permit_end(rn, &rn->from, ACT_REMOVE, false);
    if (r < 0)
        return r;
    ClaimAct onto = rn->flags & RENAME_EXCHANGE ? ACT_REMOVE : ACT_REPLACE;
    return permit_end(rn, &rn->to, onto, rn->new_claim);
}

static int doubt_end(const Rename *rn, const End *end)
{
    if (!end->node || end->node->belief == NODE_DISBELIEVED ||
        entry_rule(rn->engine, end->dir, end->name, RULE_TARGET_UNKNOWN))
        return 0;
    end->node->belief = NODE_DOUBTED;
    return -ESTALE;
}

/* The kernel takes its entry along to the new name, with the time for which it need not ask about
 * it; where that is to stand for a claim, it has to ask each time. -ESTALE sends it to look the
 * path up anew and to come again, unseen by the caller. */
static int doubt_moved(const Rename *rn)
{
    bool exchange = rn->flags & RENAME_EXCHANGE;
    int from = rn->new_claim || rn->to.claim ? doubt_end(rn, &rn->from) : 0;
    int to = exchange && rn->from.claim ? doubt_end(rn, &rn->to) : 0;
    return from < 0 ? from : to;
}

/* mv(1) asks for RENAME_NOREPLACE first whatever it is told, so from mv that says nothing of a
 * lock: a script that puts a file in place means data. A directory that is data and keeps its name
 * is moved; one that takes a lock this way has had another name. */
static bool is_put_in_place(const Rename *rn)
{
    if (!owner_found_takes_no_locks(&rn->who))
        return false;
    return !S_ISDIR(rn->from.st.st_mode) || rn->who.caller_kind == HELPER_UNPACKER ||
           (!rn->from.claim && strcmp(rn->from.name, rn->to.name) == 0);
}

static int become_data(Rename *rn)
{
    rn->reserved = NULL;
    rn->new_claim = false;
    return permit_end(rn, &rn->to, ACT_REPLACE, false);
}

static int become_publish(Rename *rn)
{
    make_claim_cancel(rn->engine, rn->reserved, &rn->who);
    return become_data(rn);
}

static int prepare(Rename *rn)
{
    int r = end_look(rn->engine, &rn->from);
    if (r == 0)
        r = end_look(rn->engine, &rn->to);
    if (r < 0)
        return r;
    if (!rn->from.exists)
        return -ENOENT;
    const Rule *rule = exclusive_rule(rn);
    rn->new_claim = rule != NULL;
    r = permit(rn);
    if (r == 0)
        r = doubt_moved(rn);
    if (r == 0 && rule)
        r = make_claim_prepare(rn->engine, rn->caller, rn->to.dir, rn->to.name, rule, &rn->who,
                               &rn->reserved);
    if (r == -ENOLCK && rn->engine->options.observe)
        r = become_data(rn);
    else if (r == 0 && rule && is_put_in_place(rn))
        r = become_publish(rn);
    return r;
}

static int rename_on_source(Rename *rn)
{
    Engine *engine = rn->engine;
    int r = source_rename(&engine->store, rn->caller, rn->from.dir, rn->from.name, rn->to.dir,
                          rn->to.name, rn->flags);
    if ((r != -ENOTEMPTY && r != -EEXIST) || !rn->to.node || (rn->flags & RENAME_NOREPLACE))
        return r;
    r = vacate_children(engine, rn->to.node);
    return r < 0 ? r
                 : source_rename(&engine->store, rn->caller, rn->from.dir, rn->from.name,
                                 rn->to.dir, rn->to.name, rn->flags);
}

/* Claims go where the contract says; the nodes have been moved already. */
static void settle_claims(Rename *rn, Node *moved)
{
    Engine *engine = rn->engine;
    Claim *from = rn->from.claim, *to = rn->to.claim;
    if (rn->new_claim) {
        if (from)
            life_end(engine, from); /* the same file, under a new owner's claim */
        make_claim_begin(engine, rn->reserved, &rn->who, moved,
                         S_ISDIR(rn->from.st.st_mode) ? CLAIM_KIND_DIR : CLAIM_KIND_FILE);
        return;
    }
    if (to) {
        life_set_node(engine, to, moved);
        if (from)
            life_end(engine, from);
        return;
    }
    if (!from)
        return;
    const Rule *rule = entry_rule(engine, rn->to.dir, rn->to.name, RULE_TARGET_OTHER);
    if (rule && life_move(engine, from, rn->to.dir, rn->to.name)) {
        from->rule = rule->index;
        from->release_anyone = rule->traits.release_anyone;
        return;
    }
    notice_claim(engine, NOTICE_PUBLISHED, from);
    life_end(engine, from);
    engine_stats(engine)->published++;
}

/* A claim stays with its name; what lies under the name has changed. */
static void settle_exchange(Rename *rn, Node *now_from, Node *now_to)
{
    if (rn->from.claim)
        life_set_node(rn->engine, rn->from.claim, now_from);
    if (rn->to.claim)
        life_set_node(rn->engine, rn->to.claim, now_to);
}

static void move_node(Rename *rn, Node *node, const End *from, const End *to)
{
    if (node->claims_below)
        snapshot_walk_disturb(rn->engine);
    life_carry(rn->engine, node->claims_below, from->dir, to->dir);
    node_move(&rn->engine->store, node, to->dir, to->name);
}

static void apply(Rename *rn)
{
    Store *store = &rn->engine->store;
    Node *moved = rn->from.node;
    if (rn->flags & RENAME_EXCHANGE) {
        Node *other = rn->to.node;
        move_node(rn, moved, &rn->from, &rn->to);
        CRASH_POINT("exchange-half");
        move_node(rn, other, &rn->to, &rn->from);
        CRASH_POINT("exchange-moved");
        settle_exchange(rn, other, moved);
        return;
    }
    Node *replaced = rn->to.node;
    if (replaced) {
        bool last = S_ISDIR(rn->to.st.st_mode) || rn->to.st.st_nlink <= 1;
        node_after_removal(store, replaced, rn->to.dir, rn->to.name, last);
    }
    CRASH_POINT("rename-replaced");
    move_node(rn, moved, &rn->from, &rn->to);
    CRASH_POINT("rename-moved");
    moved->belief = NODE_BELIEVED;
    settle_claims(rn, moved);
    CRASH_POINT("rename-settled");
}

/* The nodes of both ends are needed after the rename, also when the kernel has forgotten them. */
static int pin_ends(Rename *rn)
{
    Store *store = &rn->engine->store;
    End *ends[] = {&rn->from, &rn->to};
    for (int i = 0; i < 2; i++) {
        End *end = ends[i];
        if (!end->exists)
            continue;
        if (!end->node)
            end->node = node_intern(store, end->dir, end->name, &end->st);
        if (!end->node) {
            if (i == 1)
                node_unpin(store, rn->from.node);
            return -ENOMEM;
        }
        node_pin(end->node);
    }
    if (rn->to.exists && !(rn->flags & RENAME_EXCHANGE))
        node_before_removal(store, rn->to.node, rn->to.dir, rn->to.name, false);
    return 0;
}

static void unpin_ends(Rename *rn)
{
    node_unpin(&rn->engine->store, rn->from.node);
    if (rn->to.node)
        node_unpin(&rn->engine->store, rn->to.node);
}

static int carry_out(Rename *rn)
{
    int r = pin_ends(rn);
    if (r < 0)
        return r;
    r = rename_on_source(rn);
    /* Two names of one file: rename(2) then does nothing, and so do we. */
    if (r == 0 && !same_file(rn))
        apply(rn);
    else if (r == 0)
        r = 1;
    unpin_ends(rn);
    return r;
}

static int run(Rename *rn)
{
    int r = prepare(rn);
    if (r < 0)
        return r;
    absent_clear(&rn->engine->absent, node_id(&rn->engine->store, rn->to.dir), rn->to.name);
    absent_clear(&rn->engine->absent, node_id(&rn->engine->store, rn->from.dir), rn->from.name);
    CRASH_POINT("rename-prepared");
    r = carry_out(rn);
    if (r != 0 && rn->reserved)
        make_claim_cancel(rn->engine, rn->reserved, &rn->who);
    return r < 0 ? r : 0;
}

static void observe(const Rename *rn)
{
    bool is_dir = S_ISDIR(rn->from.st.st_mode);
    observed_renamed(rn->engine, rn->from.dir, rn->from.name, rn->to.dir, rn->to.name);
    if (!(rn->flags & RENAME_EXCHANGE) && (is_dir || (rn->flags & RENAME_NOREPLACE)))
        observed_made(rn->engine, rn->caller, rn->to.dir, rn->to.name,
                      is_dir ? CLAIM_KIND_DIR : CLAIM_KIND_FILE);
}

void engine_rename(Engine *engine, const Caller *caller, uint64_t dir, const char *name,
                   uint64_t new_dir, const char *new_name, unsigned flags, EngineDone done,
                   void *user)
{
    Rename rn = {.engine = engine, .caller = caller, .flags = flags};
    engine_lock(engine);
    int r = end_open(engine, dir, name, &rn.from);
    if (r == 0)
        r = end_open(engine, new_dir, new_name, &rn.to);
    if (r == 0)
        r = run(&rn);
    if (r == 0)
        observe(&rn);
    engine_unlock(engine);
    done(user, r, NULL);
}
