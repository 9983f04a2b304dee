#include "claims/claim-table.h"

#include "base/crash-point.h"

#include <errno.h>
#include <string.h>

static uint32_t *claim_key_link(void *records, uint32_t slot)
{
    ClaimTable *table = records;
    return &claim_at(table, slot)->key_next;
}

static uint32_t *owner_pid_link(void *records, uint32_t slot)
{
    ClaimTable *table = records;
    return &owner_at(table, slot)->pid_next;
}

int claim_table_init(ClaimTable *table, Names *names, int fd, const SlotPlace places[2],
                     uint32_t max, uint64_t first_token)
{
    memset(table, 0, sizeof *table);
    int r = slot_array_init(&table->claims, fd, places[0].offset, places[0].record, max);
    if (r < 0)
        return r;
    r = slot_array_init(&table->owners, fd, places[1].offset, places[1].record, max);
    if (r < 0) {
        slot_array_done(&table->claims);
        return r;
    }
    table->names = names;
    table->last_token = &slot_extent(&table->claims)->counter;
    if (*table->last_token < first_token)
        *table->last_token = first_token;
    index_init(&table->by_key, claim_key_link, table);
    index_init(&table->by_pid, owner_pid_link, table);
    table->by_dir = g_hash_table_new(g_direct_hash, g_direct_equal);
    return 0;
}

void claim_table_done(ClaimTable *table)
{
    slot_array_done(&table->claims);
    slot_array_done(&table->owners);
    index_done(&table->by_key);
    index_done(&table->by_pid);
    g_clear_pointer(&table->by_dir, g_hash_table_unref);
}

Claim *claim_table_find(const ClaimTable *table, uint32_t dir, const char *name)
{
    uint32_t i = index_first(&table->by_key, index_hash_name(dir, name));
    while (i) {
        const Claim *claim = claim_peek(table, i);
        if (claim->dir == dir && strcmp(claim_name(table, claim), name) == 0)
            return claim_at(table, i);
        i = claim->key_next;
    }
    return NULL;
}

Claim *claim_table_reserve(ClaimTable *table, uint32_t dir, const char *name)
{
    uint32_t index = slot_reserve(&table->claims);
    if (!index)
        return NULL;
    Claim *claim = claim_at(table, index);
    claim->dir = dir;
    claim->name = names_add(table->names, name);
    if (!claim->name) {
        slot_release(&table->claims, index);
        return NULL;
    }
    return claim;
}

void claim_table_cancel(ClaimTable *table, Claim *claim)
{
    names_remove(table->names, claim->name);
    slot_release(&table->claims, claim_index(table, claim));
}

static void link_place(ClaimTable *table, Claim *claim)
{
    uint32_t index = claim_index(table, claim);
    index_add(&table->by_key, index_hash_name(claim->dir, claim_name(table, claim)), index);
    claim->dir_prev = 0;
    claim->dir_next = claim_table_first_in(table, claim->dir);
    if (claim->dir_next)
        claim_at(table, claim->dir_next)->dir_prev = index;
    g_hash_table_insert(table->by_dir, GUINT_TO_POINTER(claim->dir), GUINT_TO_POINTER(index));
}

static void unlink_place(ClaimTable *table, Claim *claim)
{
    uint32_t index = claim_index(table, claim);
    index_remove(&table->by_key, index_hash_name(claim->dir, claim_name(table, claim)), index);
    if (claim->dir_next)
        claim_at(table, claim->dir_next)->dir_prev = claim->dir_prev;
    if (claim->dir_prev)
        claim_at(table, claim->dir_prev)->dir_next = claim->dir_next;
    else if (claim->dir_next)
        g_hash_table_insert(table->by_dir, GUINT_TO_POINTER(claim->dir),
                            GUINT_TO_POINTER(claim->dir_next));
    else
        g_hash_table_remove(table->by_dir, GUINT_TO_POINTER(claim->dir));
}

static void link_owner(ClaimTable *table, Claim *claim, Owner *owner)
{
    uint32_t index = claim_index(table, claim);
    claim->owner = owner_index(table, owner);
    claim->owner_prev = 0;
    claim->owner_next = owner->first_claim;
    if (owner->first_claim)
        claim_at(table, owner->first_claim)->owner_prev = index;
    owner->first_claim = index;
    owner->claims++;
}

static void unlink_owner(ClaimTable *table, Claim *claim)
{
    Owner *owner = owner_at(table, claim->owner);
    if (claim->owner_next)
        claim_at(table, claim->owner_next)->owner_prev = claim->owner_prev;
    if (claim->owner_prev)
        claim_at(table, claim->owner_prev)->owner_next = claim->owner_next;
    else
        owner->first_claim = claim->owner_next;
    owner->claims--;
    claim->owner_next = claim->owner_prev = 0;
}

static void set_heir(ClaimTable *table, Claim *claim, Owner *heir)
{
    if (claim->heir)
        owner_at(table, claim->heir)->holds--;
    claim->heir = heir ? owner_index(table, heir) : 0;
    if (heir)
        heir->holds++;
}

static bool counts_as_held(ClaimState state)
{
    return state == CLAIM_HELD || state == CLAIM_LINGERING;
}

void claim_table_add(ClaimTable *table, Claim *claim, Owner *owner, Owner *heir)
{
    claim->token = ++*table->last_token;
    claim->state = CLAIM_HELD;
    claim->heir = 0;
    link_place(table, claim);
    CRASH_POINT("claim-placed");
    link_owner(table, claim, owner);
    CRASH_POINT("claim-owned");
    set_heir(table, claim, heir);
    table->held++;
    slot_publish(&table->claims, claim_index(table, claim));
}

void claim_table_remove(ClaimTable *table, Claim *claim)
{
    if (counts_as_held(claim->state))
        table->held--;
    set_heir(table, claim, NULL);
    unlink_owner(table, claim);
    CRASH_POINT("claim-disowned");
    unlink_place(table, claim);
    CRASH_POINT("claim-displaced");
    names_remove(table->names, claim->name);
    slot_release(&table->claims, claim_index(table, claim));
}

bool claim_table_move(ClaimTable *table, Claim *claim, uint32_t dir, const char *name)
{
    NameRef moved = names_add(table->names, name);
    if (!moved)
        return false;
    unlink_place(table, claim);
    CRASH_POINT("claim-moving");
    names_remove(table->names, claim->name);
    claim->dir = dir;
    claim->name = moved;
    link_place(table, claim);
    return true;
}

void claim_table_set_state(ClaimTable *table, Claim *claim, ClaimState state)
{
    table->held += counts_as_held(state);
    table->held -= counts_as_held(claim->state);
    claim->state = (uint8_t)state;
}

void claim_table_inherit(ClaimTable *table, Claim *claim)
{
    Owner *heir = owner_at(table, claim->heir);
    unlink_owner(table, claim);
    set_heir(table, claim, NULL);
    link_owner(table, claim, heir);
}

void claim_table_transfer(ClaimTable *table, Claim *claim, Owner *owner)
{
    unlink_owner(table, claim);
    set_heir(table, claim, NULL);
    link_owner(table, claim, owner);
    claim->token = ++*table->last_token;
}

uint32_t claim_table_first_in(const ClaimTable *table, uint32_t dir)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(table->by_dir, GUINT_TO_POINTER(dir)));
}

Owner *owner_add(ClaimTable *table, const Owner *fields)
{
    uint32_t index = slot_reserve(&table->owners);
    if (!index)
        return NULL;
    Owner *owner = owner_at(table, index);
    SlotHead head = owner->head;
    *owner = *fields;
    owner->head = head;
    owner->first_claim = owner->claims = owner->holds = 0;
    index_add(&table->by_pid, index_hash_pair((uint64_t)owner->pid, 0), index);
    slot_publish(&table->owners, index);
    return owner;
}

void owner_remove(ClaimTable *table, Owner *owner)
{
    uint32_t index = owner_index(table, owner);
    index_remove(&table->by_pid, index_hash_pair((uint64_t)owner->pid, 0), index);
    slot_release(&table->owners, index);
}

Owner *owner_find(const ClaimTable *table, pid_t pid, uint8_t scope, uint64_t cgroup_id)
{
    uint32_t i = index_first(&table->by_pid, index_hash_pair((uint64_t)pid, 0));
    while (i) {
        const Owner *owner = owner_peek(table, i);
        if (owner->pid == pid && owner->scope == scope && owner->cgroup_id == cgroup_id &&
            !owner->dead)
            return owner_at(table, i);
        i = owner->pid_next;
    }
    return NULL;
}

static void recover_owner(ClaimTable *table, uint32_t index)
{
    Owner *owner = owner_at(table, index);
    owner->holds = 0;
    owner->asked = 0;
    owner->idle = false;
    owner->idle_next = owner->idle_prev = 0;
    index_add(&table->by_pid, index_hash_pair((uint64_t)owner->pid, 0), index);
}

static void recover_claim(ClaimTable *table, uint32_t index)
{
    Claim *claim = claim_at(table, index);
    claim->reap_round = 0;
    index_add(&table->by_key, index_hash_name(claim->dir, claim_name(table, claim)), index);
    if (!claim->dir_prev)
        g_hash_table_insert(table->by_dir, GUINT_TO_POINTER(claim->dir), GUINT_TO_POINTER(index));
    if (claim->heir)
        owner_at(table, claim->heir)->holds++;
    table->held += counts_as_held(claim->state);
}

void claim_table_recover(ClaimTable *table)
{
    index_done(&table->by_key);
    index_done(&table->by_pid);
    index_init(&table->by_key, claim_key_link, table);
    index_init(&table->by_pid, owner_pid_link, table);
    g_hash_table_remove_all(table->by_dir);
    table->held = 0;
    for (uint32_t i = 1; i <= table->owners.used; i++)
        if (slot_is_used(&table->owners, i))
            recover_owner(table, i);
    for (uint32_t i = 1; i <= table->claims.used; i++)
        if (slot_is_used(&table->claims, i))
            recover_claim(table, i);
}
