/* What was healed or broken lately, and why: the last thousand, and all whose content is still
 * kept. In memory; the content itself is trash.h's and outlives the daemon.
 */
#ifndef LOCKFS_ENGINE_HEALS_H
#define LOCKFS_ENGINE_HEALS_H

#include "engine/engine.h"

typedef struct {
    uint64_t token;
    int64_t at_ns, acquired_ns; /* since the epoch */
    char *path;                 /* from the root, at the time */
    pid_t pid;
    uint64_t start_time;
    uint32_t uid;
    HealCause cause;
    int code; /* exit code or signal, for HEAL_EXITED and HEAL_SIGNALLED */
    uint8_t kind;
    bool kept;                    /* its content was not nothing */
    int64_t kept_until_ns, bytes; /* of a copy whose content is kept now; bytes -1: not known yet */
    char comm[CLAIM_COMM_SIZE];
} Heal;

Heals *heals_new(void);
void heals_free(Heals *heals);

/* As it is shown: "exited", "reboot" … */
const char *heals_cause_name(HealCause cause);

/* For Owner.presumed: nobody saw it die, and this is why it is taken for dead. */
uint8_t heals_presume(HealCause cause);

/* --- with the engine's lock held --- */

/* The claim's entry was taken off the source. Also counts, and tells listeners. */
void heals_note(Engine *engine, const Claim *claim, bool kept);

/* The record of a claim, or NULL. */
const Heal *heals_find(const Engine *engine, uint64_t token);

/* Copies of all, oldest first; each to be freed with heals_free_one(). */
GPtrArray *heals_list(const Engine *engine);

void heals_free_one(Heal *heal);

#endif
