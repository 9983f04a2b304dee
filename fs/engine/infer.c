#include "engine/infer.h"

#include "base/clock.h"
#include "base/fd.h"
#include "engine/bearers.h"
#include "engine/decision.h"
#include "engine/entry.h"
#include "engine/evidence.h"
#include "engine/heals.h"
#include "engine/lasting.h"
#include "engine/life.h"
#include "engine/owner.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

/* What is remembered; the entries beyond are judged each time they are met. */
#define UNOWNED_MAX 10000

/* An entry that stays for a reason which may pass is judged again after that. */
#define AGAIN_NS CLOCK_NS_PER_S

struct Infer {
    bool heal;        /* all but what is provably owned */
    bool shared;      /* other machines may have made what is there */
    Bearers *bearers; /* NULL until needed */
    GHashTable *unowned;
};

/* One entry, on its way. */
typedef struct {
    Engine *engine;
    Node *dir;
    const char *name;
    Node *node;
    const struct stat *st;
    const Rule *rule;
    Evidence evidence;
    InferenceVerdict verdict;
    InferenceReason reason;
    Bearer owner; /* when OWNED */
} Case;

static void unowned_free(gpointer data)
{
    Unowned *unowned = data;
    g_free(unowned->path);
    g_free(unowned);
}

Infer *infer_new(const EngineOptions *options)
{
    if (options->unowned == ENGINE_UNOWNED_KEEP || options->read_only)
        return NULL;
    Infer *infer = g_new0(Infer, 1);
    infer->heal = options->unowned == ENGINE_UNOWNED_HEAL;
    infer->shared = options->shared;
    infer->unowned = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, unowned_free);
    return infer;
}

void infer_free(Infer *infer)
{
    if (!infer)
        return;
    bearers_free(infer->bearers);
    g_hash_table_unref(infer->unowned);
    g_free(infer);
}

void infer_begin(Engine *engine)
{
    if (!engine->recovered)
        engine->lasting->begun_ns = clock_ns(clock_file_now());
}

/* --- what is remembered --- */

static Unowned *recall(const Case *c)
{
    uint64_t ino = c->st->st_ino;
    Unowned *known = g_hash_table_lookup(c->engine->infer->unowned, &ino);
    return known && known->dev == c->st->st_dev && known->ctime_ns == clock_ns(c->st->st_ctim)
               ? known
               : NULL;
}

static bool may_pass(InferenceReason reason)
{
    switch (reason) {
    case INFERENCE_IN_USE:
    case INFERENCE_FRESH:
    case INFERENCE_SEVERAL:
    case INFERENCE_UNPROVEN:
    case INFERENCE_OTHER_USER:
    case INFERENCE_OTHER_HOST:
        return true;
    default:
        return false;
    }
}

static ClaimKind kind_of(const struct stat *st)
{
    switch (st->st_mode & S_IFMT) {
    case S_IFDIR:
        return CLAIM_KIND_DIR;
    case S_IFLNK:
        return CLAIM_KIND_SYMLINK;
    case S_IFREG:
        return st->st_nlink > 1 ? CLAIM_KIND_LINK : CLAIM_KIND_FILE;
    default:
        return CLAIM_KIND_NODE;
    }
}

static void remember(const Case *c)
{
    GHashTable *table = c->engine->infer->unowned;
    const char *path = entry_path(c->engine, c->dir, c->name);
    const Unowned *known = recall(c);
    bool told = known && known->reason == c->reason && strcmp(known->path, path) == 0;
    Unowned *unowned = g_new0(Unowned, 1);
    *unowned = (Unowned){
        .dev = c->st->st_dev,
        .ino = c->st->st_ino,
        .ctime_ns = clock_ns(c->st->st_ctim),
        .again_ns = may_pass(c->reason) ? clock_boot_ns() + AGAIN_NS : INT64_MAX,
        .path = g_strdup(path),
        .rule = c->rule,
        .entry = c->evidence.entry,
        .reason = c->reason,
        .record = c->evidence.recorded ? c->evidence.record : (LockRecord){0},
        .kind = kind_of(c->st),
    };
    if (!told)
        decision_unowned(c->engine, unowned->path, unowned->record.pid, unowned->entry.uid,
                         inference_text(unowned->reason));
    if (known || g_hash_table_size(table) < UNOWNED_MAX)
        g_hash_table_replace(table, &unowned->ino, unowned);
    else
        unowned_free(unowned);
}

static void forget(const Case *c)
{
    uint64_t ino = c->st->st_ino;
    g_hash_table_remove(c->engine->infer->unowned, &ino);
}

/* --- judging --- */

static const Bearers *bearers_now(Engine *engine)
{
    Infer *infer = engine->infer;
    if (infer->bearers && !bearers_are_current(infer->bearers))
        g_clear_pointer(&infer->bearers, bearers_free);
    if (!infer->bearers)
        infer->bearers = bearers_new(engine->proc);
    return infer->bearers;
}

void infer_prepare(Engine *engine)
{
    Infer *infer = engine->infer;
    engine_lock(engine);
    bool needed = !infer->bearers;
    engine_unlock(engine);
    Bearers *bearers = needed ? bearers_new(engine->proc) : NULL;
    engine_lock(engine);
    if (!infer->bearers)
        infer->bearers = g_steal_pointer(&bearers);
    engine_unlock(engine);
    bearers_free(bearers);
}

static InferenceHost host_of(const Bearers *bearers, const Evidence *evidence)
{
    if (!evidence->recorded || !evidence->record.host[0])
        return INFERENCE_HOST_NONE;
    return bearers_know_host(bearers, evidence->record.host) ? INFERENCE_HOST_KNOWN
                                                             : INFERENCE_HOST_OTHER;
}

static void decide(Case *c, const Bearers *bearers)
{
    Evidence *evidence = &c->evidence;
    const LockRecord *record = evidence->recorded ? &evidence->record : NULL;
    InferenceWorld world = bearers_world(bearers);
    world.seen_ns = c->engine->lasting->begun_ns;
    world.now_ns = clock_real_ns();
    world.shared = c->engine->infer->shared;
    world.host = host_of(bearers, evidence);
    evidence->entry.settled = world.complete &&
                              inference_is_fresh(&evidence->entry, world.now_ns) &&
                              evidence_is_settled(c->engine, c->dir, c->name, c->st, evidence);
    unsigned n, owner = 0;
    g_autofree Bearer *all = bearers_find(bearers, record ? record->pid : 0, &n);
    g_autofree InferenceBearer *seen = g_new(InferenceBearer, n + 1);
    for (unsigned i = 0; i < n; i++)
        seen[i] = all[i].seen;
    c->verdict = inference_decide(&evidence->entry, record, &world, seen, n, &owner, &c->reason);
    if (c->verdict == INFERENCE_OWNED)
        c->owner = all[owner];
}

/* unowned=heal: what is not proven to be held goes, unless somebody is at it. */
static void decide_by_policy(Case *c)
{
    if (c->verdict == INFERENCE_KEEP && c->engine->infer->heal && c->reason != INFERENCE_FRESH &&
        c->reason != INFERENCE_LATER)
        c->verdict = INFERENCE_STALE;
    if (c->verdict == INFERENCE_STALE && evidence_in_use(c->engine, c->node)) {
        c->verdict = INFERENCE_KEEP;
        c->reason = INFERENCE_IN_USE;
    }
}

static void judge(Case *c)
{
    const Bearers *bearers = bearers_now(c->engine);
    c->verdict = INFERENCE_KEEP;
    c->reason = INFERENCE_FRESH;
    c->evidence = (Evidence){
        .entry = {.made_ns = clock_ns(c->st->st_ctim), .changed_ns = clock_ns(c->st->st_ctim)}};
    if (!bearers || evidence_read(c->engine, c->dir, c->name, c->st, &c->evidence) < 0)
        return;
    decide(c, bearers);
    decide_by_policy(c);
}

/* --- what follows --- */

static HealCause cause_of(InferenceReason reason)
{
    switch (reason) {
    case INFERENCE_BEFORE_BOOT:
        return HEAL_REBOOT;
    case INFERENCE_RECYCLED:
        return HEAL_RECYCLED;
    default:
        return HEAL_INFERRED;
    }
}

static Claim *begin_claim(const Case *c, Owner *owner, pid_t caller)
{
    Engine *engine = c->engine;
    Claim *claim =
        claim_table_reserve(&engine->claims, node_index(&engine->store, c->dir), c->name);
    if (!claim)
        return NULL;
    claim->node = node_index(&engine->store, c->node);
    claim->kind = (uint8_t)kind_of(c->st);
    claim->rule = c->rule->index;
    claim->release_anyone = c->rule->traits.release_anyone;
    claim->reason = OWNER_INFERRED;
    claim->acquired_ns = c->evidence.entry.changed_ns;
    claim->caller_pid = caller;
    memcpy(claim->caller_comm, owner->comm, sizeof claim->caller_comm);
    life_begin(engine, claim, owner, NULL);
    return claim;
}

/* The claim of an owner who is gone, or was none. */
static Claim *condemn(const Case *c)
{
    Owner fields = {
        .pid = c->evidence.recorded ? c->evidence.record.pid : 0,
        .uid = c->st->st_uid,
        .presumed = heals_presume(cause_of(c->reason)),
    };
    Owner *owner = owner_add_dead(c->engine, &fields);
    Claim *claim = owner ? begin_claim(c, owner, 0) : NULL;
    if (owner && !claim)
        owner_settle(c->engine, owner);
    return claim;
}

static Claim *adopt(const Case *c)
{
    OwnerFound found;
    Claim *claim = NULL;
    if (owner_of_pid(c->engine, c->owner.pid, &found) < 0)
        return NULL;
    if (found.owner->start_time == c->owner.seen.start_ticks)
        claim = begin_claim(c, found.owner, c->owner.pid);
    owner_release_found(c->engine, &found);
    return claim;
}

static Claim *settle(const Case *c)
{
    Claim *claim = NULL;
    if (c->verdict == INFERENCE_STALE)
        claim = condemn(c);
    else if (c->verdict == INFERENCE_OWNED)
        claim = adopt(c);
    if (!claim || c->engine->options.observe)
        remember(c);
    else
        forget(c);
    return life_current(c->engine, claim);
}

/* --- from outside --- */

static bool is_left_over(Engine *engine, const struct stat *st)
{
    return engine->infer && clock_ns(st->st_ctim) < engine->lasting->begun_ns;
}

Claim *infer_entry(Engine *engine, Node *dir, const char *name, Node *node, const struct stat *st)
{
    if (!is_left_over(engine, st) || node->claim)
        return NULL;
    Case c = {.engine = engine, .dir = dir, .name = name, .node = node, .st = st};
    c.rule =
        entry_rule(engine, dir, name, S_ISDIR(st->st_mode) ? RULE_TARGET_DIR : RULE_TARGET_OTHER);
    const Unowned *known = c.rule ? recall(&c) : NULL;
    if (!c.rule || (known && known->again_ns > clock_boot_ns()))
        return NULL;
    node_pin(node);
    judge(&c);
    Claim *claim = settle(&c);
    node_unpin(&engine->store, node);
    return claim;
}

/* NULL: nothing stands there, or nothing that could be a left-over. Pinned. */
static Node *node_of(Engine *engine, Node *dir, const char *name, struct stat *st)
{
    if (source_stat_at(&engine->store, dir, name, st) < 0 || !is_left_over(engine, st))
        return NULL;
    Node *node = node_intern(&engine->store, dir, name, st);
    if (node)
        node_pin(node);
    return node;
}

Claim *infer_name(Engine *engine, Node *dir, const char *name)
{
    struct stat st;
    if (!engine->infer || !entry_rule(engine, dir, name, RULE_TARGET_UNKNOWN))
        return NULL;
    Node *node = node_of(engine, dir, name, &st);
    if (!node)
        return NULL;
    Claim *claim = infer_entry(engine, dir, name, node, &st);
    node_unpin(&engine->store, node);
    return claim;
}

const Unowned *infer_find(Engine *engine, Node *dir, const char *name)
{
    struct stat st;
    if (!engine->infer || life_find(engine, dir, name) || infer_name(engine, dir, name) ||
        source_stat_at(&engine->store, dir, name, &st) < 0)
        return NULL;
    return recall(&(Case){.engine = engine, .st = &st});
}

Claim *infer_take(Engine *engine, Node *dir, const char *name)
{
    struct stat st;
    const Unowned *unowned = infer_find(engine, dir, name);
    Node *node = unowned ? node_of(engine, dir, name, &st) : NULL;
    if (!node)
        return NULL;
    Case c = {
        .engine = engine,
        .dir = dir,
        .name = name,
        .node = node,
        .st = &st,
        .rule = unowned->rule,
        .evidence = {unowned->entry, unowned->record, unowned->record.pid != 0},
        .reason = unowned->reason,
    };
    Claim *claim = condemn(&c);
    if (claim)
        forget(&c);
    node_unpin(&engine->store, node);
    return claim;
}

static bool still_stands(Engine *engine, const Unowned *unowned)
{
    struct stat st;
    struct open_how how = {
        .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    };
    AUTO_FD int fd =
        (int)syscall(SYS_openat2, engine->store.root_fd, unowned->path, &how, sizeof how);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_ino != unowned->ino || st.st_dev != unowned->dev)
        return false;
    const Node *node = node_by_ino(&engine->store, unowned->dev, unowned->ino);
    return clock_ns(st.st_ctim) == unowned->ctime_ns && !(node && node->claim);
}

void infer_each(Engine *engine, InferFunc each, void *user)
{
    GHashTableIter iter;
    gpointer value;
    if (!engine->infer)
        return;
    creds_as_daemon(engine->store.creds);
    g_hash_table_iter_init(&iter, engine->infer->unowned);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        if (still_stands(engine, value))
            each(user, value);
        else
            g_hash_table_iter_remove(&iter);
    }
}
