#include "engine/guard.h"

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
    engine->stats.refused++;
    notice_refused(engine, claim, caller);
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
        if (r < 0)
            return r;
    }
    return 0;
}

static int guard_chain(Engine *engine, const Caller *caller, Node *node, ClaimAct act)
{
    for (; node; node = node_parent(&engine->store, node)) {
        if (node->severed)
            return -ENOENT;
        int r = node->claim ? guard_node(engine, caller, node, act) : 0;
        if (r < 0)
            return r;
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
