#include "engine/make.h"

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/fd.h"
#include "engine/entry.h"
#include "engine/guard.h"
#include "engine/life.h"
#include "engine/observed.h"
#include "engine/reserved.h"
#include "engine/vacate.h"

#include <fcntl.h>
#include <unistd.h>

/* Inode numbers shown for what was made under a lock name: above all that filesystems use, and
 * exact in the 53 bits that JavaScript has. Tokens never repeat, so neither do these. */
#define SHOWN_INO_BASE (1ULL << 52)

/* One exclusive create (or a plain one) on its way. */
typedef struct {
    const Making *making;
    const Caller *caller;
    Node *dir;
    Node *linked;
    Claim *claim; /* reserved: it will be a lock */
    OwnerFound who;
    int fd;     /* of a file made; -1 */
    bool fresh; /* known to be made by this call */
    struct stat st;
} Make;

static RuleTarget target_of(MakeKind kind)
{
    return kind == MAKE_DIR ? RULE_TARGET_DIR : RULE_TARGET_OTHER;
}

static ClaimKind claim_kind_of(MakeKind kind)
{
    switch (kind) {
    case MAKE_DIR:
        return CLAIM_KIND_DIR;
    case MAKE_SYMLINK:
        return CLAIM_KIND_SYMLINK;
    case MAKE_LINK:
        return CLAIM_KIND_LINK;
    case MAKE_NODE:
        return CLAIM_KIND_NODE;
    case MAKE_FILE:
    case MAKE_TMPFILE:
        break;
    }
    return CLAIM_KIND_FILE;
}

static bool is_exclusive(const Making *making, const Rule *rule)
{
    return making->kind != MAKE_FILE || (making->flags & O_EXCL) || rule->traits.create_any;
}

static bool at_a_bound(const Engine *engine, const Owner *owner)
{
    return engine->claims.held >= engine->options.max_locks ||
           life_held_by_uid(engine, owner->uid) >= engine->options.max_locks_per_uid;
}

static int within_bounds(Engine *engine, const Owner *owner)
{
    const EngineOptions *o = &engine->options;
    if (!at_a_bound(engine, owner))
        return 0;
    life_sweep(engine);
    if (engine->claims.held >= o->max_locks) {
        log_limited(&engine->refusals,
                    "exclusive create refused (ENOLCK): %u locks are held, which is max_locks; "
                    "mount with a larger max_locks=",
                    engine->claims.held);
        return -ENOLCK;
    }
    if (life_held_by_uid(engine, owner->uid) >= o->max_locks_per_uid) {
        log_limited(&engine->refusals,
                    "exclusive create refused (ENOLCK): uid %u holds %u locks, which is "
                    "max_locks_per_uid; mount with a larger max_locks_per_uid=",
                    owner->uid, o->max_locks_per_uid);
        return -ENOLCK;
    }
    return 0;
}

int make_claim_prepare(Engine *engine, const Caller *caller, Node *dir, const char *name,
                       const Rule *rule, OwnerFound *who, Claim **claim)
{
    OwnerFound found;
    int r = owner_resolve(engine, caller, rule, &found);
    if (r < 0)
        return r;
    r = within_bounds(engine, found.owner);
    Claim *reserved =
        r < 0 ? NULL : claim_table_reserve(&engine->claims, node_index(&engine->store, dir), name);
    if (!reserved) {
        owner_release_found(engine, &found);
        return -ENOLCK;
    }
    reserved->rule = rule->index;
    reserved->release_anyone = rule->traits.release_anyone;
    reserved->reason = found.reason;
    reserved->tidy = found.caller_kind == HELPER_TIDY && found.owner->pid == found.caller_pid;
    reserved->caller_pid = found.caller_pid;
    memcpy(reserved->caller_comm, found.caller_comm, sizeof reserved->caller_comm);
    *who = found;
    *claim = reserved;
    return 0;
}

void make_claim_cancel(Engine *engine, Claim *claim, const OwnerFound *who)
{
    claim_table_cancel(&engine->claims, claim);
    owner_release_found(engine, who);
}

void make_claim_begin(Engine *engine, Claim *claim, const OwnerFound *who, Node *node,
                      ClaimKind kind)
{
    /* The entry is new, so a record of this name is of one that went behind the mount (observe). */
    Claim *stale =
        claim_table_find(&engine->claims, claim->dir, claim_name(&engine->claims, claim));
    if (stale)
        life_end(engine, stale);
    claim->node = node_index(&engine->store, node);
    claim->kind = (uint8_t)kind;
    claim->acquired_ns = clock_real_ns();
    life_begin(engine, claim, who->owner, who->heir);
    owner_release_found(engine, who);
}

/* What a program makes that only copies or unpacks is data, unless a rule asks for any create. */
static int leave_copy_alone(Engine *engine, Make *make, const Rule *rule)
{
    if (!owner_found_takes_no_locks(&make->who) || rule->traits.create_any)
        return 0;
    make_claim_cancel(engine, make->claim, &make->who);
    make->claim = NULL;
    return guard_alter(engine, make->caller, make->dir);
}

/* Before anything is done: the name, the neighbourhood, the owner, room for the record. */
static int prepare(Engine *engine, Make *make)
{
    const Making *making = make->making;
    make->dir = node_by_id(&engine->store, making->dir);
    make->linked = making->kind == MAKE_LINK ? node_by_id(&engine->store, making->node) : NULL;
    if (!make->dir || (making->kind == MAKE_LINK && !make->linked))
        return -ESTALE;
    if (reserved_name(making->name))
        return -EPERM;
    const Claim *standing = life_find(engine, make->dir, making->name);
    if (claim_verdict(standing, ACT_CREATE, RELATION_UNKNOWN, engine->options.observe) ==
            VERDICT_EXISTS &&
        (making->kind != MAKE_FILE || (making->flags & O_EXCL)))
        return -EEXIST;
    const Rule *rule = making->kind == MAKE_TMPFILE
                           ? NULL
                           : entry_rule(engine, make->dir, making->name, target_of(making->kind));
    bool locks = rule && is_exclusive(making, rule) && !engine->options.read_only;
    /* Others may take locks of their own inside a claimed directory, but not put data there. */
    int r = locks ? guard_path(engine, make->dir) : guard_alter(engine, make->caller, make->dir);
    if (r == 0 && make->linked) /* a second name would be a way around the first */
        r = guard_alter(engine, make->caller, make->linked);
    if (r == 0)
        r = vacate_name(engine, make->dir, making->name);
    if (r == 0 && locks)
        r = make_claim_prepare(engine, make->caller, make->dir, making->name, rule, &make->who,
                               &make->claim);
    if (r == 0 && make->claim)
        r = leave_copy_alone(engine, make, rule);
    return r == -ENOLCK && engine->options.observe ? 0 : r;
}

static int make_file(Engine *engine, Make *make)
{
    const Making *making = make->making;
    /* create=any: a claim only if this call is the one that makes it. */
    int extra = make->claim ? O_EXCL : 0;
    make->fd = source_create(&engine->store, make->caller, make->dir, making->name,
                             making->flags | extra, making->mode);
    make->fresh = make->fd >= 0 && ((making->flags | extra) & O_EXCL);
    if (make->fd == -EEXIST && extra && !(making->flags & O_EXCL)) {
        make_claim_cancel(engine, make->claim, &make->who);
        make->claim = NULL;
        make->fd = source_create(&engine->store, make->caller, make->dir, making->name,
                                 making->flags, making->mode);
    }
    return make->fd < 0 ? make->fd : 0;
}

static int make_named(Engine *engine, Make *make)
{
    const Making *m = make->making;
    switch (m->kind) {
    case MAKE_DIR:
        return source_mkdir(&engine->store, make->caller, make->dir, m->name, m->mode);
    case MAKE_NODE:
        return source_mknod(&engine->store, make->caller, make->dir, m->name, m->mode, m->rdev);
    case MAKE_SYMLINK:
        return source_symlink(&engine->store, make->caller, m->target, make->dir, m->name);
    case MAKE_LINK:
        return source_link(&engine->store, make->caller, make->linked, make->dir, m->name);
    case MAKE_FILE:
    case MAKE_TMPFILE:
        break;
    }
    return -EINVAL;
}

static int make_on_source(Engine *engine, Make *make)
{
    const Making *m = make->making;
    if (m->kind == MAKE_FILE)
        return make_file(engine, make);
    if (m->kind == MAKE_TMPFILE) {
        make->fd = source_tmpfile(&engine->store, make->caller, make->dir, m->flags, m->mode);
        return make->fd < 0 ? make->fd : 0;
    }
    int r = make_named(engine, make);
    make->fresh = r == 0;
    return r;
}

static Node *node_made(Engine *engine, Make *make)
{
    const Making *m = make->making;
    bool opened = m->kind == MAKE_FILE || m->kind == MAKE_TMPFILE;
    int r = opened ? (fstat(make->fd, &make->st) == 0 ? 0 : -errno)
                   : source_stat_at(&engine->store, make->dir, m->name, &make->st);
    if (r < 0)
        return NULL;
    if (m->kind == MAKE_TMPFILE)
        return node_intern_unnamed(&engine->store, &make->st);
    if (m->kind == MAKE_LINK || (m->kind == MAKE_FILE && !make->fresh))
        return node_intern(&engine->store, make->dir, m->name, &make->st);
    return node_intern_new(&engine->store, make->dir, m->name, &make->st);
}

/* The entry stands on the source but we have no room to speak of it: nobody has seen it yet. */
static void undo(Engine *engine, Make *make)
{
    make->fd = fd_close(make->fd);
    if (make->fresh)
        source_remove(&engine->store, make->caller, make->dir, make->making->name,
                      make->making->kind == MAKE_DIR);
}

static int open_handle(Engine *engine, Make *make, Node *node, Entry *entry)
{
    Handle *handle = handle_new(&engine->store, node, make->fd, make->caller->tid, &entry->fh);
    if (!handle)
        return -ENOMEM;
    handle->token = guard_token(engine, node);
    make->fd = -1;
    return 0;
}

/* On failure make->claim is left only if it never began. */
static int finish(Engine *engine, Make *make, Entry *entry)
{
    const Making *m = make->making;
    Node *node = node_made(engine, make);
    if (!node) {
        undo(engine, make);
        return -ENOMEM;
    }
    node_pin(node);
    CRASH_POINT("made-known");
    if (make->claim) {
        make_claim_begin(engine, make->claim, &make->who, node, claim_kind_of(m->kind));
        CRASH_POINT("made-claimed");
        if (m->kind != MAKE_LINK)
            node->shown_ino = SHOWN_INO_BASE + make->claim->token;
    }
    int r = make->fd >= 0 ? open_handle(engine, make, node, entry) : 0;
    CRASH_POINT("made-opened");
    if (r == 0) {
        entry_fill(engine, make->dir, m->name, node, &make->st, entry);
    } else {
        if (make->claim)
            life_end(engine, make->claim);
        make->claim = NULL;
        undo(engine, make);
    }
    node_unpin(&engine->store, node);
    return r;
}

static int run(Engine *engine, Make *make, Entry *entry)
{
    int r = prepare(engine, make);
    if (r < 0)
        return r;
    absent_clear(&engine->absent, make->making->dir, make->making->name);
    CRASH_POINT("make-prepared");
    r = make_on_source(engine, make);
    if (r == 0)
        r = finish(engine, make, entry);
    if (r < 0 && make->claim)
        make_claim_cancel(engine, make->claim, &make->who);
    return r;
}

void engine_make(Engine *engine, const Caller *caller, const Making *making, EngineDone done,
                 void *user)
{
    Entry entry = {0};
    Make make = {.making = making, .caller = caller, .fd = -1};
    engine_lock(engine);
    int r = run(engine, &make, &entry);
    if (r == 0 && make.fresh)
        observed_made(engine, caller, make.dir, making->name, claim_kind_of(making->kind));
    engine_unlock(engine);
    done(user, r, &entry);
}
