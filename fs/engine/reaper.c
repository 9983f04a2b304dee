#include "engine/reaper.h"

#include "base/clock.h"
#include "engine/decision.h"
#include "engine/entry.h"
#include "engine/life.h"
#include "engine/observed.h"
#include "engine/owner.h"
#include "engine/trash.h"
#include "engine/vacate.h"
#include "engine/waiters.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Deaths fetched at once; more stay in the epoll set. */
#define BATCH 64

/* What could not be removed (a full source, say) is tried again this often. */
#define RETRY_NS (30 * CLOCK_NS_PER_S)

struct Reaper {
    DeathWatch *watch;
    pthread_t thread;
    bool started;       /* lock */
    bool stopping;      /* lock */
    bool failed;        /* lock; something would not go and is to be tried again */
    uint32_t round;     /* lock; counts the calls of reap() */
    GArray *look_again; /* lock; owner slots */
    GArray *broken;     /* lock; slot ids of claims whose owner may live */
};

/* A dead entry that is to go, in words that need no lock. */
typedef struct {
    uint64_t claim; /* slot id */
    uint64_t dir_id, node_id;
    bool is_dir;
    GString *dir_path;
    char name[256];
} Errand;

int reaper_new(Engine *engine)
{
    Reaper *reaper = g_new0(Reaper, 1);
    int r = death_watch_new(&reaper->watch);
    if (r < 0) {
        g_free(reaper);
        return r;
    }
    reaper->look_again = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    reaper->broken = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    engine->reaper = reaper;
    return 0;
}

void reaper_free(Engine *engine)
{
    Reaper *reaper = engine->reaper;
    death_watch_free(reaper->watch);
    g_array_free(reaper->look_again, TRUE);
    g_array_free(reaper->broken, TRUE);
    g_free(reaper);
    engine->reaper = NULL;
}

int reaper_watch(Engine *engine, Owner *owner)
{
    uint64_t id = slot_id(&engine->claims.owners, owner_index(&engine->claims, owner));
    DeathWatch *watch = engine->reaper->watch;
    if (owner->cgroup_events < 0)
        return death_watch_add_process(watch, owner->pidfd, id);
    int r = death_watch_add_cgroup(watch, owner->cgroup_events, id);
    if (r == 0 && owner->pidfd >= 0)
        r = death_watch_add_member(watch, owner->pidfd, id);
    return r;
}

void reaper_unwatch(Engine *engine, Owner *owner)
{
    if (owner->cgroup_events >= 0)
        death_watch_remove(engine->reaper->watch, owner->cgroup_events);
    if (owner->pidfd >= 0)
        death_watch_remove(engine->reaper->watch, owner->pidfd);
}

void reaper_look_again(Engine *engine, uint32_t owner)
{
    g_array_append_val(engine->reaper->look_again, owner);
    reaper_wake(engine);
}

void reaper_take_away(Engine *engine, const Claim *claim)
{
    uint64_t id = slot_id(&engine->claims.claims, claim_index(&engine->claims, claim));
    g_array_append_val(engine->reaper->broken, id);
    reaper_wake(engine);
}

void reaper_wake(Engine *engine)
{
    death_watch_wake(engine->reaper->watch);
}

/* --- the reaper's own requests, in the serving thread --- */

static Claim *dead_claim(Engine *engine, Node *dir, const char *name)
{
    Claim *claim = life_find(engine, dir, name);
    return claim && (claim->state == CLAIM_DEAD || claim->state == CLAIM_GHOST) ? claim : NULL;
}

int reaper_lookup(Engine *engine, Node *dir, const char *name, Entry *entry)
{
    const Claim *claim = dead_claim(engine, dir, name);
    if (!claim)
        return 1;
    Node *node = node_at(&engine->store, claim->node);
    struct stat st;
    if (source_stat(&engine->store, node, NULL, &st) < 0)
        st = (struct stat){.st_mode = node->mode, .st_ino = node->ino};
    /* The kernel will count one link less after the removal; if it is off the source already, one
     * too many. */
    if (claim->state == CLAIM_GHOST)
        st.st_nlink++;
    entry_fill(engine, dir, name, node, &st, entry);
    return 0;
}

int reaper_remove(Engine *engine, Node *dir, const char *name)
{
    Claim *claim = dead_claim(engine, dir, name);
    if (!claim)
        return -EBUSY;
    if (claim->state == CLAIM_DEAD) {
        int r = vacate_claim(engine, claim);
        if (r < 0)
            return r;
    }
    life_end(engine, claim);
    return 0;
}

/* --- the reaper's thread --- */

void reaper_lock(Engine *engine)
{
    engine_lock_aside(engine, &engine->reaper_creds);
}

void reaper_unlock(Engine *engine)
{
    engine_unlock_aside(engine);
}

static void path_to(Engine *engine, const Node *dir, GString *path)
{
    g_string_truncate(path, 0);
    for (; dir->parent; dir = node_above(&engine->store, dir)) {
        if (path->len)
            g_string_prepend_c(path, '/');
        g_string_prepend(path, names_get(&engine->names, dir->name));
    }
}

/* Lock held. The next claim of a dead owner that is ready to go and was not tried in this round;
 * newest first, so what was made inside a claimed directory goes before the directory. */
static Claim *next_claim(Engine *engine, const Owner *owner)
{
    uint32_t next;
    for (uint32_t i = owner->first_claim; i; i = next) {
        Claim *claim = claim_at(&engine->claims, i);
        next = claim->owner_next;
        if (claim->reap_round == engine->reaper->round)
            continue;
        claim = life_current(engine, claim);
        if (claim && (claim->state == CLAIM_DEAD || claim->state == CLAIM_GHOST)) {
            claim->reap_round = engine->reaper->round;
            return claim;
        }
    }
    return NULL;
}

static void errand_describe(Engine *engine, const Claim *claim, Errand *errand)
{
    const Node *dir = node_at(&engine->store, claim->dir);
    const Node *node = node_at(&engine->store, claim->node);
    errand->claim = slot_id(&engine->claims.claims, claim_index(&engine->claims, claim));
    errand->dir_id = node_id(&engine->store, dir);
    /* Told that a file is gone, the kernel believes that no link is left. */
    errand->node_id = claim->kind == CLAIM_KIND_LINK ? 0 : node_id(&engine->store, node);
    errand->is_dir = node_is_dir(node);
    path_to(engine, dir, errand->dir_path);
    g_strlcpy(errand->name, claim_name(&engine->claims, claim), sizeof errand->name);
}

/* Takes the lock. Picks the owner's next entry; when there is none, lets go of the owner. */
static bool errand_next(Engine *engine, uint64_t owner_id, Errand *errand)
{
    bool found = false;
    reaper_lock(engine);
    Owner *owner = slot_find_id(&engine->claims.owners, owner_id);
    if (owner && !engine->reaper->stopping && life_owner_is_dead(engine, owner)) {
        owner->holds++; /* what follows may end its last claim */
        observed_owner_ended(engine, owner);
        const Claim *claim = next_claim(engine, owner);
        found = claim != NULL;
        if (found)
            errand_describe(engine, claim, errand);
        else
            owner_close(engine, owner); /* claims may linger, or have failed to go */
        owner->holds--;
        owner_settle(engine, owner);
    }
    reaper_unlock(engine);
    return found;
}

/* The mount could not be used: the source must be cleaned all the same, and watchers told as well
 * as can be. */
static void errand_finish(Engine *engine, const Errand *errand)
{
    bool told = false;
    reaper_lock(engine);
    Claim *claim = slot_find_id(&engine->claims.claims, errand->claim);
    claim = claim ? life_current(engine, claim) : NULL;
    if (claim && (claim->state == CLAIM_DEAD || claim->state == CLAIM_GHOST)) {
        told = claim->state == CLAIM_GHOST || vacate_claim(engine, claim) == 0;
        if (told)
            life_end(engine, claim);
        else
            engine->reaper->failed = true;
    }
    reaper_unlock(engine);
    if (told && engine->hooks.tell_removed)
        engine->hooks.tell_removed(engine->hooks.ctx, errand->dir_id, errand->node_id,
                                   errand->name);
}

static void errand_run(Engine *engine, const Errand *errand)
{
    int r = engine->hooks.remove_through_mount
                ? engine->hooks.remove_through_mount(engine->hooks.ctx, errand->dir_path->str,
                                                     errand->name, errand->is_dir)
                : -ENXIO;
    if (r < 0)
        errand_finish(engine, errand);
}

static void reap(Engine *engine, uint64_t owner_id)
{
    Errand errand = {.dir_path = g_string_new(NULL)};
    reaper_lock(engine);
    engine->reaper->round++;
    reaper_unlock(engine);
    while (errand_next(engine, owner_id, &errand))
        errand_run(engine, &errand);
    g_string_free(errand.dir_path, TRUE);
}

static void look_again(Engine *engine)
{
    for (;;) {
        uint64_t id = 0;
        reaper_lock(engine);
        GArray *again = engine->reaper->look_again;
        if (again->len) {
            uint32_t slot = g_array_index(again, uint32_t, again->len - 1);
            g_array_set_size(again, again->len - 1);
            if (slot_is_used(&engine->claims.owners, slot))
                id = slot_id(&engine->claims.owners, slot);
        }
        bool more = again->len > 0;
        reaper_unlock(engine);
        if (id)
            reap(engine, id);
        if (!id && !more)
            return;
    }
}

/* Takes the lock. false: there is none left. */
static bool broken_next(Engine *engine, Errand *errand)
{
    bool found = false;
    reaper_lock(engine);
    GArray *broken = engine->reaper->broken;
    while (!found && broken->len && !engine->reaper->stopping) {
        uint64_t id = g_array_index(broken, uint64_t, broken->len - 1);
        g_array_set_size(broken, broken->len - 1);
        const Claim *claim = slot_find_id(&engine->claims.claims, id);
        found = claim && (claim->state == CLAIM_DEAD || claim->state == CLAIM_GHOST);
        if (found)
            errand_describe(engine, claim, errand);
    }
    reaper_unlock(engine);
    return found;
}

static void take_away_broken(Engine *engine)
{
    Errand errand = {.dir_path = g_string_new(NULL)};
    while (broken_next(engine, &errand))
        errand_run(engine, &errand);
    g_string_free(errand.dir_path, TRUE);
}

/* Lock held. Owners whose entries would not go: their deaths were told once, so they are looked up.
 */
static void queue_failed(Engine *engine)
{
    engine->reaper->failed = false;
    for (uint32_t i = 1; i <= engine->claims.owners.used; i++) {
        const Owner *owner = slot_look(&engine->claims.owners, i);
        if (owner && owner->dead && owner->claims)
            g_array_append_val(engine->reaper->look_again, i);
    }
}

/* Sets *retry_at when something failed, and queues the failed when their time has come. */
static void retry_failed(Engine *engine, int64_t *retry_at)
{
    int64_t now = clock_boot_ns();
    reaper_lock(engine);
    if (*retry_at <= now) {
        *retry_at = INT64_MAX;
        queue_failed(engine);
    } else if (engine->reaper->failed && *retry_at == INT64_MAX) {
        *retry_at = now + RETRY_NS;
    }
    reaper_unlock(engine);
}

static int timeout_ms(Engine *engine, int64_t retry_at)
{
    reaper_lock(engine);
    int64_t expiry = MIN(trash_next_expiry(engine), waiters_tell_at(engine));
    retry_at = MIN(retry_at, decision_tell_at(engine));
    reaper_unlock(engine);
    int64_t wait = MIN(retry_at == INT64_MAX ? INT64_MAX : retry_at - clock_boot_ns(),
                       expiry == INT64_MAX ? INT64_MAX : expiry - clock_real_ns());
    if (wait == INT64_MAX)
        return -1;
    return wait <= 0 ? 0 : (int)MIN(wait / CLOCK_NS_PER_MS + 1, 3600 * 1000);
}

static bool is_stopping(Engine *engine)
{
    reaper_lock(engine);
    bool stopping = engine->reaper->stopping;
    reaper_unlock(engine);
    return stopping;
}

static void tell_what_waited(Engine *engine)
{
    reaper_lock(engine);
    waiters_tell(engine, clock_real_ns());
    decision_tell_suppressed(engine);
    reaper_unlock(engine);
}

static void *reaper_main(void *data)
{
    Engine *engine = data;
    int64_t retry_at = INT64_MAX;
    /* A umask and a directory of its own: the serving thread changes its umask with every caller.
     */
    unshare(CLONE_FS);
    creds_init(&engine->reaper_creds, engine->serving_creds.groups,
               engine->serving_creds.groups_ctx);
    reaper_lock(engine);
    engine->lasting->reaper_tid = (pid_t)syscall(SYS_gettid);
    reaper_unlock(engine);
    while (!is_stopping(engine)) {
        uint64_t dead[BATCH];
        int n = death_watch_wait(engine->reaper->watch, dead, BATCH, timeout_ms(engine, retry_at));
        for (int i = 0; i < n; i++)
            reap(engine, dead[i]);
        trash_measure(engine);
        trash_expire(engine, clock_real_ns());
        tell_what_waited(engine);
        retry_failed(engine, &retry_at);
        look_again(engine);
        take_away_broken(engine);
    }
    return NULL;
}

int reaper_start(Engine *engine)
{
    engine_lock(engine);
    engine->reaper->stopping = false;
    int r = pthread_create(&engine->reaper->thread, NULL, reaper_main, engine);
    engine->reaper->started = r == 0;
    engine_unlock(engine);
    return -r;
}

void reaper_stop(Engine *engine)
{
    engine_lock(engine);
    bool started = engine->reaper->started;
    engine->reaper->started = false;
    engine->reaper->stopping = started;
    reaper_wake(engine);
    engine_unlock(engine);
    if (started)
        pthread_join(engine->reaper->thread, NULL);
}
