#include "engine/guard.h"

#include "engine/decision.h"
#include "engine/life.h"
#include "engine/notice.h"
#include "engine/owner.h"
#include "store/node.h"

ClaimVerdict guard_ask(Engine *engine, const Caller *caller, const Claim *claim, ClaimAct act)
{
    bool observe = engine->options.observe;
    ClaimVerdict verdict = claim_verdict(claim, act, RELATION_UNKNOWN, observe);
    if (verdict != VERDICT_ASK)
        return verdict;
    ClaimRelation relation =
        owner_is_family(engine, caller, claim) ? RELATION_FAMILY : RELATION_STRANGER;
    return claim_verdict(claim, act, relation, observe);
}

int guard_claim(Engine *engine, const Caller *caller, const Claim *claim, ClaimAct act)
{
    switch (guard_ask(engine, caller, claim, act)) {
    case VERDICT_PASS:
    case VERDICT_VEIL:
        return 0;
    case VERDICT_ABSENT:
        return -ENOENT;
    case VERDICT_EXISTS:
        return -EEXIST;
    case VERDICT_BUSY:
    case VERDICT_ASK:
        break;
    }
    engine_stats(engine)->refused++;
    notice_refused(engine, claim, caller);
    decision_log(engine, &engine->refuse_lines, "refuse", claim, caller, "held");
    return -EBUSY;
}

/* All claims that stand on one node: more than one when a file is linked to several lock names. */
static int guard_node(Engine *engine, const Caller *caller, const Node *node, ClaimAct act)
{
    uint32_t next;
    for (uint32_t i = node->claim; i; i = next) {
        Claim *claim = claim_at(&engine->claims, i);
        next = claim->node_next;
        int r = guard_claim(engine, caller, life_current(engine, claim), act);
        /* Of a file only the name is gone: it may have another, and whoever came to it by that
         * must not find it missing. */
        if (r < 0 && (r != -ENOENT || node_is_dir(node)))
            return r;
    }
    return 0;
}

static bool is_held(const Engine *engine, const Node *node)
{
    for (uint32_t i = node->claim; i; i = claim_peek(&engine->claims, i)->node_next) {
        ClaimState state = claim_peek(&engine->claims, i)->state;
        if (state == CLAIM_HELD || state == CLAIM_LINGERING)
            return true;
    }
    return false;
}

/* What may be altered is decided by the innermost claim: a lock inside a lock is no member of the
 * outer one. To be seen, every one on the way must live. */
static int guard_chain(Engine *engine, const Caller *caller, const Node *node, ClaimAct act)
{
    for (; node; node = node_above(&engine->store, node)) {
        if (node->severed)
            return -ENOENT;
        int r = node->claim ? guard_node(engine, caller, node, act) : 0;
        if (r < 0)
            return r;
        if (act == ACT_ALTER && is_held(engine, node))
            return 0;
    }
    return 0;
}

int guard_alter(Engine *engine, const Caller *caller, Node *node)
{
    return guard_chain(engine, caller, node, ACT_ALTER);
}

int guard_path(Engine *engine, Node *dir)
{
    return guard_chain(engine, NULL, dir, ACT_SEE);
}

static const Node *innermost_claimed(const Engine *engine, const Node *node)
{
    while (node && !node->claim)
        node = node_above(&engine->store, node);
    return node;
}

uint64_t guard_token(const Engine *engine, const Node *node)
{
    const Node *claimed = innermost_claimed(engine, node);
    return claimed ? claim_peek(&engine->claims, claimed->claim)->token : 0;
}

int guard_handle(Engine *engine, const Caller *caller, const Node *node, uint64_t token)
{
    const Node *claimed = innermost_claimed(engine, node);
    uint32_t next;
    for (uint32_t i = claimed ? claimed->claim : 0; i; i = next) {
        Claim *claim = claim_at(&engine->claims, i);
        next = claim->node_next;
        if (claim->token == token)
            continue;
        int r = guard_claim(engine, caller, life_current(engine, claim), ACT_ALTER);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}
