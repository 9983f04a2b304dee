#include "claims/verdict.h"

static ClaimVerdict by_relation(ClaimRelation relation, ClaimVerdict for_stranger)
{
    switch (relation) {
    case RELATION_FAMILY:
        return VERDICT_PASS;
    case RELATION_STRANGER:
        return for_stranger;
    case RELATION_UNKNOWN:
        break;
    }
    return VERDICT_ASK;
}

static ClaimVerdict of_held(const Claim *claim, ClaimAct act, ClaimRelation relation)
{
    switch (act) {
    case ACT_SEE:
        return VERDICT_PASS;
    case ACT_CREATE:
        return VERDICT_EXISTS;
    case ACT_REMOVE:
    case ACT_REPLACE:
    case ACT_ALTER:
        return claim->release_anyone ? VERDICT_PASS : by_relation(relation, VERDICT_BUSY);
    case ACT_ATTRS:
        return by_relation(relation, VERDICT_VEIL);
    }
    return VERDICT_BUSY;
}

/* Nobody's family any more, so the relation cannot help. */
static ClaimVerdict of_lingering(ClaimAct act)
{
    switch (act) {
    case ACT_SEE:
        return VERDICT_PASS;
    case ACT_ATTRS:
        return VERDICT_VEIL;
    case ACT_CREATE:
        return VERDICT_EXISTS;
    case ACT_REMOVE:
    case ACT_REPLACE:
    case ACT_ALTER:
        break;
    }
    return VERDICT_BUSY;
}

ClaimVerdict claim_verdict(const Claim *claim, ClaimAct act, ClaimRelation relation, bool observe)
{
    if (!claim || observe)
        return VERDICT_PASS;
    switch ((ClaimState)claim->state) {
    case CLAIM_HELD:
        return of_held(claim, act, relation);
    case CLAIM_LINGERING:
        return of_lingering(act);
    case CLAIM_DEAD:
        return VERDICT_ABSENT;
    case CLAIM_GHOST:
        break;
    }
    return VERDICT_PASS;
}
