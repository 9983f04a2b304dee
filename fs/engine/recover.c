#include "engine/recover.h"

#include "base/crash-point.h"
#include "base/fd.h"
#include "engine/entry.h"
#include "engine/heals.h"
#include "engine/life.h"
#include "engine/owner.h"
#include "engine/vacate.h"
#include "store/act.h"
#include "store/reopen.h"

#include <dirent.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    GHashTable *named; /* descriptors */
    bool (*keep)(void *ctx, int fd);
    void *ctx;
} Descriptors;

static void name_fd(Descriptors *fds, int fd)
{
    if (fd >= 0)
        g_hash_table_add(fds->named, GINT_TO_POINTER(fd));
}

static void name_all(const Engine *engine, Descriptors *fds)
{
    const Store *store = &engine->store;
    const ClaimTable *claims = &engine->claims;
    fds->named = g_hash_table_new(g_direct_hash, g_direct_equal);
    for (uint32_t i = 1; i <= store->nodes.used; i++)
        if (slot_is_used(&store->nodes, i))
            name_fd(fds, node_at(store, i)->fd);
    for (uint32_t i = 1; i <= store->handles.used; i++)
        if (slot_is_used(&store->handles, i))
            name_fd(fds, handle_at(store, i)->fd);
    for (uint32_t i = 1; i <= claims->owners.used; i++) {
        if (!slot_is_used(&claims->owners, i))
            continue;
        const Owner *owner = owner_at(claims, i);
        name_fd(fds, owner->pidfd);
        name_fd(fds, owner->exec_watch);
        name_fd(fds, owner->cgroup_events);
    }
    name_fd(fds, engine->file);
    name_fd(fds, store->root_fd);
}

static bool is_free(void *ctx, int fd)
{
    Descriptors *fds = ctx;
    return !fds->keep(fds->ctx, fd) && !g_hash_table_contains(fds->named, GINT_TO_POINTER(fd));
}

/* Closes what the dead process had opened in the table of descriptors that it shared. */
static uint32_t sweep(Descriptors *fds)
{
    g_autoptr(GArray) open = g_array_new(FALSE, FALSE, sizeof(int));
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != dirfd(dir) && is_free(fds, fd))
            g_array_append_val(open, fd);
    }
    closedir(dir);
    for (guint i = 0; i < open->len; i++)
        fd_close(g_array_index(open, int, i));
    return open->len;
}

static void sweep_names(Engine *engine)
{
    NamesMarks *marks = names_marks_new(&engine->names);
    for (uint32_t i = 1; i <= engine->store.nodes.used; i++)
        if (slot_is_used(&engine->store.nodes, i))
            names_mark(marks, node_peek(&engine->store, i)->name);
    for (uint32_t i = 1; i <= engine->claims.claims.used; i++)
        if (slot_is_used(&engine->claims.claims, i))
            names_mark(marks, claim_peek(&engine->claims, i)->name);
    for (uint32_t i = 1; i <= engine->heal_records.used; i++) {
        const HealRecord *heal = slot_look(&engine->heal_records, i);
        if (heal) {
            names_mark(marks, heal->path);
            names_mark(marks, heal->kept_name);
        }
    }
    names_sweep(&engine->names, marks);
}

int engine_recover_without(int file)
{
    const uint32_t lost = 1;
    ssize_t n = pwrite(file, &lost, sizeof lost, offsetof(JournalShared, lost));
    return n < 0 ? -errno : n == sizeof lost ? 0 : -ENOSPC;
}

static void forget_descriptors(Engine *engine)
{
    reopen_forget(&engine->store);
    for (uint32_t i = 1; i <= engine->claims.owners.used; i++) {
        Owner *owner = slot_find(&engine->claims.owners, i);
        if (!owner)
            continue;
        owner->pidfd = owner->exec_watch = owner->cgroup_events = -1;
        owner_prove(engine, owner);
    }
}

/* In the log: whom a lost file will be missed by. */
static void report_lost(Engine *engine)
{
    for (uint32_t i = 1; i <= engine->store.handles.used; i++) {
        const Handle *handle = slot_look(&engine->store.handles, i);
        if (!handle || handle->fd >= 0)
            continue;
        const Node *node = node_at(&engine->store, handle->node);
        Node *dir = node_parent(&engine->store, node);
        log_limited(&engine->refuse_lines,
                    "an open file of thread %u is lost, calls on it fail with ESTALE: %s %s",
                    handle->opener,
                    dir ? entry_path(engine, dir, names_get(&engine->names, node->name)) : "it",
                    dir ? "cannot be opened again" : "had been removed");
    }
}

unsigned engine_recover_rest(Engine *engine)
{
    if (!engine->store.lost)
        return 0;
    engine_lock(engine);
    unsigned left = reopen_handles(&engine->store);
    report_lost(engine);
    engine_unlock(engine);
    engine->store.lost = false;
    __atomic_store_n(&engine->journal.shared->lost, 0, __ATOMIC_RELEASE);
    return left;
}

/* Counts and links anew: what comes of it is the same each time. */
static void rebuild(Engine *engine)
{
    store_recover(&engine->store);
    claim_table_recover(&engine->claims);
    g_hash_table_remove_all(engine->per_uid);
    memset(engine->held_by_kind, 0, sizeof engine->held_by_kind);
    for (uint32_t i = 1; i <= engine->claims.claims.used; i++)
        if (slot_is_used(&engine->claims.claims, i))
            life_recover(engine, claim_at(&engine->claims, i));
    heals_recover(engine);
}

/* Lets go of what only the dead process needed. */
static void let_go(Engine *engine)
{
    journal_recovery_begin(&engine->journal);
    for (uint32_t i = 1; i <= engine->claims.owners.used; i++)
        if (slot_is_used(&engine->claims.owners, i))
            owner_recover(engine, owner_at(&engine->claims, i));
    act_hold(&engine->store, true);
    store_settle_all(&engine->store);
    sweep_names(engine);
    act_hold(&engine->store, false);
    CRASH_POINT("recovery-ending");
    journal_recovery_end(&engine->journal);
}

int engine_recover(Engine *engine, bool (*keep)(void *ctx, int fd), void *ctx,
                   EngineRecovery *recovery)
{
    JournalPhase phase = journal_phase(&engine->journal);
    *recovery = (EngineRecovery){.phase = phase};
    if (journal_is_undecided(&engine->journal))
        recovery->undone = journal_rollback(&engine->journal);
    g_autofree char *problem = NULL;
    if (!engine_check(engine, &problem)) {
        log_error("the state of this mount is damaged: %s", problem);
        return -EPROTO;
    }
    if (engine->journal.shared->lost)
        forget_descriptors(engine);
    rebuild(engine);
    if (engine->store.lost)
        reopen_handles(&engine->store);
    let_go(engine);
    CRASH_POINT("recovered");
    Descriptors fds = {.keep = keep, .ctx = ctx};
    name_all(engine, &fds);
    if (phase == JOURNAL_SERVING || phase == JOURNAL_BACKGROUND)
        act_recover(&engine->store, is_free, &fds);
    name_fd(&fds, act_descriptor(&engine->store));
    recovery->swept = sweep(&fds);
    g_hash_table_unref(fds.named);
    recovery->claims = engine->claims.held;
    recovery->handles = engine->store.handles.live;
    engine->recovered = true;
    return 0;
}

void engine_recover_background(Engine *engine)
{
    engine_request_begin(engine, 0, true);
    const JournalAct *act = engine->store.replaying ? journal_act(&engine->journal) : NULL;
    const Node *dir = act ? node_by_ino(&engine->store, act->dir_dev, act->dir_ino) : NULL;
    Claim *claim =
        dir ? claim_table_find(&engine->claims, node_index(&engine->store, dir), act->name) : NULL;
    if (claim && claim->state == CLAIM_DEAD)
        vacate_claim(engine, claim);
    act_forsake(&engine->store);
    engine_request_end(engine);
}

void engine_taken_over(Engine *engine, const Takeover *takeover)
{
    engine_lock(engine);
    engine_stats(engine)->takeovers[takeover->cause]++;
    notice_send(engine, &(Notice){.kind = NOTICE_TAKEN_OVER, .takeover = takeover});
    engine_unlock(engine);
}

/* --- what a file must be like to be believed --- */

/* Anything else in the place of a bool is no value of it. */
static bool is_truth(const bool *value)
{
    return *(const unsigned char *)value <= 1;
}

static bool node_is_sound(const Engine *engine, uint32_t index)
{
    const Node *node = slot_peek(&engine->store.nodes, index);
    return is_truth(&node->in_lru) && is_truth(&node->indexed) && is_truth(&node->severed) &&
           (node->parent == 0 || slot_is_used(&engine->store.nodes, node->parent)) &&
           names_holds(&engine->names, node->name);
}

static bool is_text(const char comm[CLAIM_COMM_SIZE])
{
    return memchr(comm, '\0', CLAIM_COMM_SIZE) != NULL;
}

static bool owner_is_sound(const Engine *engine, uint32_t index)
{
    const Owner *owner = owner_peek(&engine->claims, index);
    return owner->scope <= OWNER_SCOPE_CGROUP && is_text(owner->comm) && is_truth(&owner->dead) &&
           is_truth(&owner->plain) && is_truth(&owner->idle) && is_truth(&owner->exit_known);
}

static bool claim_is_sound(const Engine *engine, uint32_t index)
{
    const Claim *claim = slot_peek(&engine->claims.claims, index);
    return claim->state <= CLAIM_GHOST && claim->kind <= CLAIM_KIND_NODE &&
           is_truth(&claim->broken) && is_truth(&claim->release_anyone) && is_truth(&claim->tidy) &&
           is_truth(&claim->dated) && is_text(claim->caller_comm) &&
           slot_is_used(&engine->store.nodes, claim->dir) &&
           slot_is_used(&engine->store.nodes, claim->node) &&
           slot_is_used(&engine->claims.owners, claim->owner) &&
           (claim->heir == 0 || slot_is_used(&engine->claims.owners, claim->heir)) && claim->name &&
           names_holds(&engine->names, claim->name) && claim->token <= *engine->claims.last_token;
}

static bool handle_is_sound(const Engine *engine, uint32_t index)
{
    const Handle *handle = slot_peek(&engine->store.handles, index);
    return slot_is_used(&engine->store.nodes, handle->node);
}

static bool heal_is_sound(const Engine *engine, uint32_t index)
{
    const HealRecord *heal = slot_peek(&engine->heal_records, index);
    return (heal->kept_dir == 0 || slot_is_used(&engine->store.nodes, heal->kept_dir)) &&
           names_holds(&engine->names, heal->path) && names_holds(&engine->names, heal->kept_name);
}

static bool check_array(const Engine *engine, const SlotArray *array, const char *what,
                        bool (*sound)(const Engine *engine, uint32_t index), char **problem)
{
    for (uint32_t i = 1; i <= array->used; i++) {
        if (!slot_is_used(array, i) || sound(engine, i))
            continue;
        *problem =
            g_strdup_printf("%s %u is not what it can be, or refers to what is not there", what, i);
        return false;
    }
    return true;
}

/* Every node has a way up that ends. Marks those that were gone through, by the walk that did. */
static bool check_ancestors(const Engine *engine, char **problem)
{
    const SlotArray *nodes = &engine->store.nodes;
    g_autofree uint32_t *walks = g_new0(uint32_t, nodes->used + 1U);
    for (uint32_t walk = 1; walk <= nodes->used; walk++) {
        uint32_t i = slot_is_used(nodes, walk) ? walk : 0;
        for (; i && !walks[i]; i = node_peek(&engine->store, i)->parent)
            walks[i] = walk;
        if (i && walks[i] == walk) {
            *problem = g_strdup_printf("node %u lies inside itself", i);
            return false;
        }
    }
    return true;
}

bool engine_check(const Engine *engine, char **problem)
{
    return check_array(engine, &engine->store.nodes, "node", node_is_sound, problem) &&
           check_ancestors(engine, problem) &&
           check_array(engine, &engine->claims.owners, "owner", owner_is_sound, problem) &&
           check_array(engine, &engine->store.handles, "handle", handle_is_sound, problem) &&
           check_array(engine, &engine->claims.claims, "claim", claim_is_sound, problem) &&
           check_array(engine, &engine->heal_records, "heal", heal_is_sound, problem);
}
