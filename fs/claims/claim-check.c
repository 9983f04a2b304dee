#include "claims/claim-table.h"

#include <string.h>

/* The invariants of claim-table.h, verified one by one over all records. */

static bool check_key(const ClaimTable *table, uint32_t i, char **problem)
{
    const Claim *claim = claim_peek(table, i);
    if (claim_table_find(table, claim->dir, claim_name(table, claim)) == claim)
        return true;
    *problem =
        g_strdup_printf("claim %u (%s) is not what its key finds", i, claim_name(table, claim));
    return false;
}

static bool check_owner_list(const ClaimTable *table, uint32_t o, char **problem)
{
    const Owner *owner = owner_peek(table, o);
    uint32_t count = 0, prev = 0;
    for (uint32_t i = owner->first_claim; i; i = claim_peek(table, i)->owner_next) {
        const Claim *claim = slot_look(&table->claims, i);
        if (!claim || claim->owner != o || claim->owner_prev != prev || ++count > owner->claims) {
            *problem =
                g_strdup_printf("owner %u (pid %d): broken list at claim %u", o, owner->pid, i);
            return false;
        }
        prev = i;
    }
    if (count == owner->claims)
        return true;
    *problem = g_strdup_printf("owner %u counts %u claims and lists %u", o, owner->claims, count);
    return false;
}

static bool check_dir_list(const ClaimTable *table, uint32_t i, char **problem)
{
    const Claim *claim = claim_peek(table, i);
    bool first = claim_table_first_in(table, claim->dir) == i;
    const Claim *prev = claim->dir_prev ? claim_peek(table, claim->dir_prev) : NULL;
    if ((first && !prev) || (prev && prev->dir_next == i && prev->dir == claim->dir))
        return true;
    *problem = g_strdup_printf("claim %u is not in its directory's list", i);
    return false;
}

bool claim_table_check(const ClaimTable *table, char **problem)
{
    uint32_t held = 0, owned = 0, listed = 0;
    for (uint32_t i = 1; i <= table->claims.used; i++) {
        const Claim *claim = slot_look(&table->claims, i);
        if (!claim)
            continue;
        held += claim->state == CLAIM_HELD || claim->state == CLAIM_LINGERING;
        owned++;
        if (!slot_look(&table->owners, claim->owner)) {
            *problem = g_strdup_printf("claim %u has no owner record", i);
            return false;
        }
        if (claim->token > *table->last_token) {
            *problem = g_strdup_printf("claim %u has a token from the future", i);
            return false;
        }
        if (!check_key(table, i, problem) || !check_dir_list(table, i, problem))
            return false;
    }
    for (uint32_t o = 1; o <= table->owners.used; o++) {
        if (!slot_look(&table->owners, o))
            continue;
        if (!check_owner_list(table, o, problem))
            return false;
        listed += owner_peek(table, o)->claims;
    }
    if (held == table->held && owned == listed)
        return true;
    *problem = g_strdup_printf("%u claims held and %u counted; %u owned and %u listed", held,
                               table->held, owned, listed);
    return false;
}
