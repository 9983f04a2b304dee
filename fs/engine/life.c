#include "engine/life.h"

#include "base/crash-point.h"
#include "engine/decision.h"
#include "engine/notice.h"
#include "engine/owner.h"
#include "engine/reaper.h"
#include "engine/unpacked.h"
#include "proc/exit-status.h"

static bool pidfd_is_dead(const Owner *owner)
{
    Pidref ref = {.pid = owner->pid, .fd = owner->pidfd};
    return pidref_life(&ref) == PIDREF_DEAD;
}

/* While its descriptor is there to be asked. */
static void note_exit(Engine *engine, Owner *owner)
{
    Pidref ref = {.pid = owner->pid, .fd = owner->pidfd, .start_time = owner->start_time};
    bool private =
        owner->uid != engine->store.creds->daemon_uid && !engine->store.creds->can_switch;
    int status;
    creds_as_daemon(engine->store.creds);
    owner->exit_known =
        owner->pidfd >= 0 && exit_status_read(engine->proc, &ref, !private, &status) == 0;
    if (owner->exit_known)
        owner->exit_status = status;
}

/* A cgroup ends with its last member, but not while the process lives that took the claim in it and
 * was moved elsewhere since. Without a pidfd that one is gone. */
static bool is_dead(const Owner *owner)
{
    if (owner->cgroup_events < 0)
        return pidfd_is_dead(owner);
    return identity_cgroup_empty(owner->cgroup_events) == 1 &&
           (owner->pidfd < 0 || pidfd_is_dead(owner));
}

bool life_owner_is_dead(Engine *engine, Owner *owner)
{
    if (owner->dead || owner->asked == engine->operation)
        return owner->dead;
    if (owner_is_unproven(owner)) {
        owner_prove(engine, owner);
        if (!owner->dead && !owner_is_unproven(owner))
            reaper_watch(engine, owner);
    } else
        owner->dead = is_dead(owner);
    owner->asked = engine->operation;
    if (owner->dead)
        note_exit(engine, owner);
    return owner->dead;
}

/* Without keeping the record in the journal: what is noted in it is asked anew after a takeover. */
static bool owner_lives(const Engine *engine, const Owner *owner)
{
    if (owner->dead || owner->cgroup_events >= 0)
        return false;
    if (owner->asked == engine->operation)
        return true;
    bool lives = !pidfd_is_dead(owner);
    if (lives)
        ((Owner *)owner)->asked = engine->operation;
    return lives;
}

static bool passes_to_heir(Engine *engine, Claim *claim)
{
    if (!claim->heir || life_owner_is_dead(engine, owner_at(&engine->claims, claim->heir)))
        return false;
    Owner *gone = owner_at(&engine->claims, claim->owner);
    claim_table_inherit(&engine->claims, claim);
    owner_settle(engine, gone);
    notice_claim(engine, NOTICE_INHERITED, claim);
    return true;
}

/* A living claim of somebody else below `node`, or NULL. Looks at all claims, which is dear; but
 * only for a dead directory with other claims inside, and the result is remembered: in linger_on
 * what was found, in cleared_at that there was nothing and since when that holds. */
static Claim *living_below(Engine *engine, const Node *node)
{
    const ClaimTable *table = &engine->claims;
    if (!node_is_dir(node) || node->claims_below == 0)
        return NULL;
    for (uint32_t i = 1; i <= table->claims.used; i++) {
        const Claim *seen = slot_peek(&table->claims, i);
        if (!slot_is_used(&table->claims, i) || seen->state != CLAIM_HELD)
            continue;
        if (!node_is_below(&engine->store, node_peek(&engine->store, seen->dir), node))
            continue;
        Claim *claim = claim_at(table, i);
        if (!life_owner_is_dead(engine, owner_at(table, claim->owner)) ||
            (claim->heir && !life_owner_is_dead(engine, owner_at(table, claim->heir))))
            return claim;
    }
    return NULL;
}

static bool still_lingers(Engine *engine, const Claim *claim, const Node *node)
{
    Claim *on = slot_find_id(&engine->claims.claims, claim->linger_on);
    return on && on->state == CLAIM_HELD &&
           node_is_below(&engine->store, node_peek(&engine->store, on->dir), node) &&
           !life_owner_is_dead(engine, owner_at(&engine->claims, on->owner));
}

static void count_held(Engine *engine, const Claim *claim, int by)
{
    gpointer key = GUINT_TO_POINTER(claim->uid);
    uint32_t count = life_held_by_uid(engine, claim->uid) + (uint32_t)by;
    if (count)
        g_hash_table_insert(engine->per_uid, key, GUINT_TO_POINTER(count));
    else
        g_hash_table_remove(engine->per_uid, key);
    engine->held_by_kind[claim->kind] += (uint32_t)by;
}

uint32_t life_held_by_uid(const Engine *engine, uid_t uid)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(engine->per_uid, GUINT_TO_POINTER(uid)));
}

static bool counts_as_held(const Claim *claim)
{
    return claim->state == CLAIM_HELD || claim->state == CLAIM_LINGERING;
}

void life_set_state(Engine *engine, Claim *claim, ClaimState state)
{
    bool did = counts_as_held(claim);
    claim_table_set_state(&engine->claims, claim, state);
    if (did != counts_as_held(claim))
        count_held(engine, claim, did ? -1 : 1);
}

/* A directory whose owner died stays while somebody else's living claim lies inside. */
static void settle_dead(Engine *engine, Claim *claim)
{
    const Node *node = node_peek(&engine->store, claim->node);
    if (claim->linger_on && still_lingers(engine, claim, node)) {
        life_set_state(engine, claim, CLAIM_LINGERING);
        return;
    }
    const Claim *on =
        claim->cleared_at == engine->places_changed ? NULL : living_below(engine, node);
    claim->cleared_at = on ? 0 : engine->places_changed;
    if (!on && claim->state == CLAIM_LINGERING)
        reaper_look_again(engine, claim->owner);
    claim->linger_on = on ? slot_id(&engine->claims.claims, claim_index(&engine->claims, on)) : 0;
    life_set_state(engine, claim, on ? CLAIM_LINGERING : CLAIM_DEAD);
}

Claim *life_current(Engine *engine, Claim *claim)
{
    if (!claim || claim->state == CLAIM_GHOST)
        return claim;
    if (claim->state == CLAIM_HELD) {
        if (!life_owner_is_dead(engine, owner_at(&engine->claims, claim->owner)) ||
            passes_to_heir(engine, claim))
            return claim;
        if (unpacked_is_data(engine, claim)) {
            unpacked_leave(engine, claim);
            return NULL;
        }
        if (engine->options.observe) {
            notice_claim(engine, NOTICE_WOULD_HEAL, claim);
            life_end(engine, claim);
            return NULL;
        }
    }
    settle_dead(engine, claim);
    return claim;
}

const Claim *life_look(Engine *engine, uint32_t index)
{
    const Claim *claim = slot_look(&engine->claims.claims, index);
    if (!claim || (claim->state == CLAIM_HELD &&
                   owner_lives(engine, owner_peek(&engine->claims, claim->owner))))
        return claim;
    return life_current(engine, claim_at(&engine->claims, index));
}

Claim *life_find(Engine *engine, const Node *dir, const char *name)
{
    if (engine->claims.claims.live == 0)
        return NULL;
    return life_current(engine,
                        claim_table_find(&engine->claims, node_index(&engine->store, dir), name));
}

void life_sweep(Engine *engine)
{
    for (uint32_t o = 1; o <= engine->claims.owners.used; o++) {
        const Owner *seen = slot_look(&engine->claims.owners, o);
        if (!seen || !seen->claims || owner_lives(engine, seen))
            continue;
        Owner *owner = owner_at(&engine->claims, o);
        if (!life_owner_is_dead(engine, owner))
            continue;
        owner->holds++; /* what follows may end its last claim */
        uint32_t next;
        for (uint32_t i = owner->first_claim; i; i = next) {
            next = claim_at(&engine->claims, i)->owner_next;
            life_current(engine, claim_at(&engine->claims, i));
        }
        owner->holds--;
        owner_settle(engine, owner);
    }
}

/* --- the counts kept on nodes --- */

static void count_below(Engine *engine, Node *dir, int32_t by)
{
    for (; dir; dir = node_parent(&engine->store, dir))
        dir->claims_below += (uint32_t)by;
}

void life_carry(Engine *engine, uint32_t count, Node *from, Node *to)
{
    if (count)
        engine->places_changed++;
    if (count && from != to) {
        count_below(engine, from, -(int32_t)count);
        count_below(engine, to, (int32_t)count);
    }
}

static void join_node(Engine *engine, Claim *claim, Node *node)
{
    claim->node = node_index(&engine->store, node);
    claim->node_next = node->claim;
    node->claim = claim_index(&engine->claims, claim);
    node_pin(node);
}

static void leave_node(Engine *engine, Claim *claim)
{
    Node *node = node_at(&engine->store, claim->node);
    uint32_t *link = &node->claim;
    while (*link != claim_index(&engine->claims, claim))
        link = &claim_at(&engine->claims, *link)->node_next;
    *link = claim->node_next;
    node_unpin(&engine->store, node);
}

void life_recover(Engine *engine, Claim *claim)
{
    node_pin(node_at(&engine->store, claim->dir));
    node_pin(node_at(&engine->store, claim->node));
    claim->cleared_at = 0; /* the other worker's count */
    if (counts_as_held(claim))
        count_held(engine, claim, 1);
    else if (claim->broken) /* no death tells of it */
        reaper_take_away(engine, claim);
}

/* --- beginning and end --- */

void life_begin(Engine *engine, Claim *claim, Owner *owner, Owner *heir)
{
    Node *dir = node_at(&engine->store, claim->dir);
    Node *node = node_at(&engine->store, claim->node);
    claim->uid = owner->uid;
    join_node(engine, claim, node);
    node_pin(dir);
    CRASH_POINT("claim-joined");
    count_below(engine, dir, 1);
    engine->places_changed++;
    count_held(engine, claim, 1);
    claim_table_add(&engine->claims, claim, owner, heir);
    owner_in_use(engine, owner);
    if (heir)
        owner_in_use(engine, heir);
    if (owner->dead) /* since it was found: its death has been told already */
        reaper_look_again(engine, claim->owner);
    if (owner->presumed) /* nobody acquires by having left something */
        return;
    engine_stats(engine)->acquired[claim->kind]++;
    notice_claim(engine, NOTICE_ACQUIRED, claim);
    decision_debug(engine, "claim", claim);
}

/* What waited inside a dead directory is over: the directory may go now. */
static void release_lingerers(Engine *engine, const Node *dir)
{
    for (; dir; dir = node_above(&engine->store, dir)) {
        for (uint32_t i = dir->claim; i; i = claim_peek(&engine->claims, i)->node_next) {
            const Claim *claim = claim_peek(&engine->claims, i);
            if (claim->state == CLAIM_LINGERING)
                reaper_look_again(engine, claim->owner);
        }
    }
}

void life_end(Engine *engine, Claim *claim)
{
    Owner *owner = owner_at(&engine->claims, claim->owner);
    Owner *heir = claim->heir ? owner_at(&engine->claims, claim->heir) : NULL;
    Node *dir = node_at(&engine->store, claim->dir);
    if (counts_as_held(claim))
        count_held(engine, claim, -1);
    count_below(engine, dir, -1);
    leave_node(engine, claim);
    CRASH_POINT("claim-left");
    claim_table_remove(&engine->claims, claim);
    owner_settle(engine, owner);
    CRASH_POINT("owner-settled");
    if (heir)
        owner_settle(engine, heir);
    release_lingerers(engine, dir);
    node_unpin(&engine->store, dir);
}

void life_set_node(Engine *engine, Claim *claim, Node *node)
{
    if (claim->node == node_index(&engine->store, node))
        return;
    node_pin(node);
    leave_node(engine, claim);
    join_node(engine, claim, node);
    claim->dated = false;
    node_unpin(&engine->store, node);
}

bool life_move(Engine *engine, Claim *claim, Node *dir, const char *name)
{
    Node *old = node_at(&engine->store, claim->dir);
    node_pin(old);
    CRASH_POINT("claim-to-move");
    bool moved = claim_table_move(&engine->claims, claim, node_index(&engine->store, dir), name);
    if (moved) {
        node_pin(dir);
        node_unpin(&engine->store, old);
        life_carry(engine, 1, old, dir);
        notice_claim(engine, NOTICE_MOVED, claim);
    }
    node_unpin(&engine->store, old);
    return moved;
}

void life_transfer(Engine *engine, Claim *claim, Owner *owner)
{
    Owner *old = owner_at(&engine->claims, claim->owner);
    Owner *heir = claim->heir ? owner_at(&engine->claims, claim->heir) : NULL;
    count_held(engine, claim, -1);
    claim_table_transfer(&engine->claims, claim, owner);
    claim->uid = owner->uid;
    claim->reason = OWNER_TRANSFERRED;
    count_held(engine, claim, 1);
    owner_in_use(engine, owner);
    owner_settle(engine, old);
    if (heir)
        owner_settle(engine, heir);
}
