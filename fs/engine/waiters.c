#include "engine/waiters.h"

#include "base/clock.h"
#include "engine/notice.h"
#include "engine/reaper.h"

#include <string.h>

/* How many newcomers are looked up in /proc in a second. */
#define RATION 100

/* A look is known for one within this time. */
#define SETTLE_NS (20 * CLOCK_NS_PER_MS)

struct Waiters {
    Waiter *slots; /* WAITERS_SLOTS */
    Waiter *last;  /* the latest attempt, not counted yet: it may be a look */
    int64_t tell_at;
    int64_t window;
    unsigned in_window;
};

Waiters *waiters_new(Waiter *slots)
{
    Waiters *waiters = g_new0(Waiters, 1);
    waiters->slots = slots;
    waiters->tell_at = INT64_MAX;
    return waiters;
}

void waiters_free(Waiters *waiters)
{
    g_free(waiters);
}

static Waiter *slot_of(Waiters *waiters, uint64_t token, pid_t tid)
{
    return &waiters->slots[index_hash_pair(token, (uint64_t)tid) % WAITERS_SLOTS];
}

static bool may_look_up(Waiters *waiters, int64_t now)
{
    if (now - waiters->window >= CLOCK_NS_PER_S || now < waiters->window) {
        waiters->window = now;
        waiters->in_window = 0;
    }
    return waiters->in_window++ < RATION;
}

static void find_out(Engine *engine, Waiter *waiter, const Claim *claim)
{
    Identity id = IDENTITY_NONE;
    const Owner *owner = owner_peek(&engine->claims, claim->owner);
    creds_as_daemon(engine->store.creds);
    if (identity_resolve(engine->proc, engine->helpers, waiter->tid, OWNER_SCOPE_PROCESS, &id) < 0)
        return;
    waiter->pid = id.owner.pid;
    waiter->start_time = id.owner.start_time;
    waiter->uid = id.owner_uid;
    waiter->family = id.owner.pid == owner->pid || id.caller.pid == owner->pid;
    g_strlcpy(waiter->comm, id.owner_comm, sizeof waiter->comm);
    identity_done(&id);
}

static void count_last(Engine *engine)
{
    Waiters *waiters = engine->waiters;
    if (waiters->last && !waiters->last->family)
        engine_stats(engine)->contended++;
    waiters->last = NULL;
}

static void begin(Engine *engine, Waiter *waiter, const Caller *caller, const Claim *claim,
                  int64_t now)
{
    *waiter = (Waiter){.token = claim->token, .tid = caller->tid, .first_ns = now};
    Waiters *waiters = engine->waiters;
    if (engine->notice && waiters->tell_at == INT64_MAX) {
        waiters->tell_at = now + SETTLE_NS;
        reaper_wake(engine);
    }
}

void waiters_note(Engine *engine, const Caller *caller, const Claim *claim)
{
    if (claim->state != CLAIM_HELD || caller->tid == owner_peek(&engine->claims, claim->owner)->pid)
        return;
    Waiters *waiters = engine->waiters;
    Waiter *waiter = slot_of(waiters, claim->token, caller->tid);
    int64_t now = clock_real_ns();
    count_last(engine);
    if (waiter->token != claim->token || waiter->tid != caller->tid)
        begin(engine, waiter, caller, claim, now);
    if (!waiter->pid && may_look_up(waiters, now))
        find_out(engine, waiter, claim);
    waiter->attempts++;
    waiter->last_ns = now;
    waiters->last = waiter;
}

void waiters_cancel(Engine *engine, const Caller *caller, const Node *node)
{
    Waiters *waiters = engine->waiters;
    for (uint32_t i = node->claim; i; i = claim_peek(&engine->claims, i)->node_next) {
        uint64_t token = claim_peek(&engine->claims, i)->token;
        Waiter *waiter = slot_of(waiters, token, caller->tid);
        if (waiter->token != token || waiter->tid != caller->tid || !waiter->attempts ||
            clock_real_ns() - waiter->last_ns > SETTLE_NS)
            continue;
        waiter->attempts--;
        if (waiters->last == waiter)
            waiters->last = NULL;
    }
}

static bool counts(const Waiter *waiter, int64_t now)
{
    return waiter->token && waiter->pid && !waiter->family && waiter->attempts &&
           now - waiter->last_ns <= WAITERS_RECENT_NS;
}

static int by_process(const void *a, const void *b)
{
    const Waiter *x = a, *y = b;
    if (x->token != y->token)
        return x->token < y->token ? -1 : 1;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    if (x->start_time != y->start_time)
        return x->start_time < y->start_time ? -1 : 1;
    return x->first_ns < y->first_ns ? -1 : x->first_ns > y->first_ns;
}

static bool same_process(const Waiter *a, const Waiter *b)
{
    return a->token == b->token && a->pid == b->pid && a->start_time == b->start_time;
}

GArray *waiters_list(Engine *engine, int64_t now)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(Waiter));
    for (int i = 0; i < WAITERS_SLOTS; i++)
        if (counts(&engine->waiters->slots[i], now))
            g_array_append_val(all, engine->waiters->slots[i]);
    g_array_sort(all, by_process);
    guint kept = 0;
    for (guint i = 0; i < all->len; i++) {
        const Waiter *waiter = &g_array_index(all, Waiter, i);
        Waiter *into = kept ? &g_array_index(all, Waiter, kept - 1) : NULL;
        if (into && same_process(into, waiter)) {
            into->attempts += waiter->attempts;
            into->last_ns = MAX(into->last_ns, waiter->last_ns);
        } else {
            g_array_index(all, Waiter, kept++) = *waiter;
        }
    }
    g_array_set_size(all, kept);
    return all;
}

guint waiters_count(Engine *engine)
{
    g_autoptr(GArray) all = waiters_list(engine, clock_real_ns());
    return all->len;
}

int64_t waiters_tell_at(const Engine *engine)
{
    return engine->waiters->tell_at;
}

/* By which claim; only for somebody who listens. */
static const Claim *claim_of(Engine *engine, uint64_t token)
{
    for (uint32_t i = 1; i <= engine->claims.claims.used; i++) {
        const Claim *claim = slot_look(&engine->claims.claims, i);
        if (claim && claim->token == token)
            return claim;
    }
    return NULL;
}

/* Has this process been told of under another thread? */
static bool is_told(const Waiters *waiters, const Waiter *waiter)
{
    for (int i = 0; i < WAITERS_SLOTS; i++)
        if (waiters->slots[i].told && same_process(&waiters->slots[i], waiter))
            return true;
    return false;
}

static void tell(Engine *engine, Waiter *waiter)
{
    bool again = is_told(engine->waiters, waiter);
    waiter->told = true;
    const Claim *claim = again ? NULL : claim_of(engine, waiter->token);
    if (claim)
        notice_send(engine, &(Notice){.kind = NOTICE_CONTENDED, .claim = claim, .waiter = waiter});
}

void waiters_tell(Engine *engine, int64_t now)
{
    Waiters *waiters = engine->waiters;
    if (now < waiters->tell_at)
        return;
    waiters->tell_at = INT64_MAX;
    for (int i = 0; i < WAITERS_SLOTS; i++) {
        Waiter *waiter = &waiters->slots[i];
        if (waiter->told || !counts(waiter, now))
            continue;
        if (now - waiter->first_ns >= SETTLE_NS)
            tell(engine, waiter);
        else
            waiters->tell_at = MIN(waiters->tell_at, waiter->first_ns + SETTLE_NS);
    }
}
