/* What a caller may do to a claim: the table of the contract as a function.
 *
 * Pure: the state of the world comes in as arguments. Who the caller is to the owner is expensive
 * to find out, so it may be left RELATION_UNKNOWN: the answer is then VERDICT_ASK where it depends
 * on that, and the question is put again with the relation known.
 */
#ifndef LOCKFS_CLAIMS_VERDICT_H
#define LOCKFS_CLAIMS_VERDICT_H

#include "claims/claim-table.h"

typedef enum {
    ACT_SEE,     /* lookup, stat, readdir, read */
    ACT_CREATE,  /* exclusive create of the name */
    ACT_REMOVE,  /* rmdir, unlink, rename away */
    ACT_REPLACE, /* rename something onto it */
    ACT_ALTER,   /* write, truncate, change attributes; of a member: also remove, replace, add */
    ACT_ATTRS,   /* which times to show */
} ClaimAct;

typedef enum {
    RELATION_UNKNOWN,
    RELATION_FAMILY,
    RELATION_STRANGER,
} ClaimRelation;

typedef enum {
    VERDICT_PASS,   /* as if there were no claim */
    VERDICT_ABSENT, /* as if there were no entry */
    VERDICT_EXISTS, /* EEXIST */
    VERDICT_BUSY,   /* EBUSY */
    VERDICT_VEIL,   /* show it, with fresh times */
    VERDICT_ASK,    /* depends on the relation */
} ClaimVerdict;

/* `observe`: a dry run, in which nothing is hidden or refused. */
ClaimVerdict claim_verdict(const Claim *claim, ClaimAct act, ClaimRelation relation, bool observe);

#endif
