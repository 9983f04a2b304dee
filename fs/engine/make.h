/* The making of a claim, shared by creates and renames. Lock held. */
#ifndef LOCKFS_ENGINE_MAKE_H
#define LOCKFS_ENGINE_MAKE_H

#include "engine/owner.h"

/* Finds the owner and takes room for the record, ahead of the act. -ENOLCK. Followed by
 * make_claim_begin() when the act succeeded, else by make_claim_cancel(). */
int make_claim_prepare(Engine *engine, const Caller *caller, Node *dir, const char *name,
                       const Rule *rule, OwnerFound *who, Claim **claim);
void make_claim_begin(Engine *engine, Claim *claim, const OwnerFound *who, Node *node,
                      ClaimKind kind);
void make_claim_cancel(Engine *engine, Claim *claim, const OwnerFound *who);

#endif
