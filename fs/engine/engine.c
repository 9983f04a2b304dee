#include "engine/engine.h"

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/fd.h"
#include "engine/heals.h"
#include "engine/infer-walk.h"
#include "engine/infer.h"
#include "engine/lasting.h"
#include "engine/life.h"
#include "engine/observed.h"
#include "engine/owner.h"
#include "engine/reaper.h"
#include "engine/tables.h"
#include "engine/trash.h"
#include "engine/vacate.h"
#include "engine/waiters.h"

#include <string.h>

/* Tokens start at the microseconds of the epoch, so they grow over restarts and reboots: claims are
 * made more slowly than that. They stay below 2^52 until the year 2112. */
#define TOKEN_NS 1000

static uint64_t first_token(void)
{
    return (uint64_t)clock_real_ns() / TOKEN_NS;
}

static int thread_groups(const void *proc, pid_t tid, gid_t *groups, int max)
{
    return proc_groups(proc, tid, groups, max);
}

static uint64_t thread_rights(const void *proc, pid_t tid)
{
    return proc_capabilities(proc, tid);
}

static int init_tables(Engine *engine, int root_fd, bool in_place, int given)
{
    AUTO_FD int file = given >= 0 ? given : slot_file_new("lockfs");
    if (file < 0)
        return file;
    int r = tables_map(engine, file, engine->options.max_locks, first_token(), root_fd, in_place);
    if (r == 0)
        engine->file = fd_take(&file);
    return r;
}

int engine_init(Engine *engine, int root_fd, bool in_place, const EngineOptions *options,
                RuleSet *rules, const Proc *proc, const HelperList *helpers, int file)
{
    *engine = (Engine){
        .options = *options,
        .proc = proc,
        .helpers = helpers,
        .rules = rule_set_ref(rules),
        .per_uid = g_hash_table_new(g_direct_hash, g_direct_equal),
        .path = g_string_new(NULL),
        .trash = trash_new(),
        .heals = heals_new(),
        .infer = infer_new(options),
        .file = -1,
        .places_changed = 1,
    };
    if (options->observe)
        observed_begin(engine);
    pthread_mutex_init(&engine->lock, NULL);
    creds_init(&engine->serving_creds, thread_groups, proc);
    engine->serving_creds.rights = options->kernel_checks ? thread_rights : NULL;
    engine->store.creds = &engine->serving_creds;
    int r = init_tables(engine, root_fd, in_place, file);
    if (r < 0)
        return r;
    engine->waiters = waiters_new(engine->lasting->waiters);
    return reaper_new(engine);
}

/* The operation has ended; the lock is still held. */
static void settle_notices(Engine *engine)
{
    if (engine->noticed && engine->notice)
        engine->notice(engine->notice_ctx, NULL);
    engine->noticed = false;
}

static void count_operation(Engine *engine)
{
    engine->operation++;
}

/* Whoever works in many steps sees that somebody waits. */
static void take_lock(Engine *engine)
{
    if (pthread_mutex_trylock(&engine->lock) == 0)
        return;
    __atomic_fetch_add(&engine->waiting, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&engine->lock);
    __atomic_fetch_sub(&engine->waiting, 1, __ATOMIC_RELAXED);
}

void engine_give_way(const Engine *engine)
{
    const struct timespec moment = {.tv_nsec = 20000};
    do
        nanosleep(&moment, NULL);
    while (__atomic_load_n(&engine->waiting, __ATOMIC_RELAXED));
}

void engine_lock_aside(Engine *engine, Creds *creds)
{
    engine_lock(engine);
    engine->store.creds = creds;
}

void engine_unlock_aside(Engine *engine)
{
    engine->store.creds = &engine->serving_creds;
    engine_unlock(engine);
}

void engine_lock(Engine *engine)
{
    if (!engine_in_request(engine)) {
        take_lock(engine);
        journal_begin(&engine->journal, JOURNAL_BACKGROUND, 0);
    }
    count_operation(engine);
}

void engine_unlock(Engine *engine)
{
    if (engine_in_request(engine))
        return;
    journal_end(&engine->journal);
    settle_notices(engine);
    pthread_mutex_unlock(&engine->lock);
}

void engine_request_begin(Engine *engine, uint64_t unique, bool again)
{
    take_lock(engine);
    __atomic_store_n(&engine->request_thread, (uintptr_t)pthread_self(), __ATOMIC_RELAXED);
    count_operation(engine);
    if (again)
        journal_resume(&engine->journal);
    else
        journal_begin(&engine->journal, JOURNAL_SERVING, unique);
    CRASH_POINT("request-begun");
}

void engine_request_end(Engine *engine)
{
    journal_end(&engine->journal);
    settle_notices(engine);
    __atomic_store_n(&engine->request_thread, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&engine->lock);
}

int engine_start(Engine *engine, const EngineHooks *hooks)
{
    engine->hooks = *hooks;
    infer_begin(engine);
    if (!engine->options.read_only)
        trash_adopt(engine);
    engine->infer_walk = infer_walk_start(engine);
    return reaper_start(engine);
}

void engine_stop(Engine *engine)
{
    infer_walk_stop(engine->infer_walk);
    engine->infer_walk = NULL;
    reaper_stop(engine);
}

/* From the newest on, so what was made inside a claimed directory goes before the directory. */
void engine_clear_dead(Engine *engine)
{
    for (uint32_t i = engine->claims.claims.used; i > 0; i--) {
        engine_lock(engine);
        Claim *claim = life_current(engine, slot_find(&engine->claims.claims, i));
        if (claim && claim->state == CLAIM_DEAD && vacate_claim(engine, claim) == 0)
            life_end(engine, claim);
        engine_unlock(engine);
    }
}

static void close_owners(Engine *engine)
{
    for (uint32_t i = 1; i <= engine->claims.owners.used; i++) {
        Owner *owner = slot_find(&engine->claims.owners, i);
        if (owner) {
            fd_close(owner->exec_watch);
            fd_close(owner->pidfd);
            fd_close(owner->cgroup_events);
        }
    }
}

void engine_done(Engine *engine)
{
    trash_free(engine);
    heals_free(engine->heals);
    infer_free(engine->infer);
    g_clear_pointer(&engine->waiters, waiters_free);
    observed_done(engine);
    close_owners(engine);
    reaper_free(engine);
    store_close_all(&engine->store);
    tables_close(engine);
    fd_close(engine->file);
    g_hash_table_unref(engine->per_uid);
    g_string_free(engine->path, TRUE);
    rule_set_unref(engine->rules);
    pthread_mutex_destroy(&engine->lock);
}
