/* What was healed or broken lately, and why: the last thousand, and all whose content is still
 * kept (trash.h). The records lie in the state with those of claims, so they outlive a worker.
 */
#ifndef LOCKFS_ENGINE_HEALS_H
#define LOCKFS_ENGINE_HEALS_H

#include "engine/engine.h"

typedef struct {
    SlotHead head;
    uint64_t token;
    int64_t at_ns, acquired_ns; /* since the epoch; acquired_ns 0: not known */
    int64_t expires_ns;         /* of what is kept; 0: it is being deleted */
    uint64_t start_time;
    NameRef path;      /* from the root, at the time */
    NameRef kept_name; /* under which its content is kept in kept_dir */
    uint32_t kept_dir; /* node, pinned; 0: nothing is kept (any more) */
    uint32_t uid;
    pid_t pid;
    int32_t code;  /* exit code or signal, for HEAL_EXITED and HEAL_SIGNALLED */
    uint8_t cause; /* HealCause */
    uint8_t kind;  /* ClaimKind */
    char comm[CLAIM_COMM_SIZE];
    int64_t bytes; /* that its content takes; -1: not measured yet */
    uint64_t room[3];
} HealRecord;

/* A copy, to be looked at without the lock. */
typedef struct {
    uint64_t token;
    int64_t at_ns, acquired_ns;
    char *path;
    pid_t pid;
    uint64_t start_time;
    uint32_t uid;
    HealCause cause;
    int code;
    uint8_t kind;
    bool kept;
    int64_t expires_ns, bytes; /* while it is kept; bytes -1: not known yet */
    char comm[CLAIM_COMM_SIZE];
} Heal;

/* Where content is kept. */
typedef struct {
    Node *dir;
    const char *name;
    int64_t expires_ns;
} HealPlace;

/* Records that there may be at once. */
#define HEALS_RECORDS_MAX (1U << 22)

Heals *heals_new(void);
void heals_free(Heals *heals);

/* As it is shown: "exited", "reboot" … */
const char *heals_cause_name(HealCause cause);

/* For Owner.presumed: nobody saw it die, and this is why it is taken for dead. */
uint8_t heals_presume(HealCause cause);

/* After the records were taken up. */
void heals_recover(Engine *engine);

/* --- with the engine's lock held --- */

/* The claim's entry was taken off the source; `kept` is where its content is, or NULL. Also counts,
 * and tells listeners. */
void heals_note(Engine *engine, const Claim *claim, const HealPlace *kept);

/* Content that an earlier daemon kept, of which no more is known. */
void heals_note_found(Engine *engine, uint64_t token, int64_t at_ns, const char *path,
                      const HealPlace *kept);

/* The record of a claim, or NULL. */
const HealRecord *heals_find(const Engine *engine, uint64_t token);

static inline bool heals_is_kept(const HealRecord *record)
{
    return record && record->kept_dir && record->expires_ns;
}

/* Whose content expires first, and the tokens of all that is kept; NULL: nothing is. */
const HealRecord *heals_first_kept(const Engine *engine);
GHashTable *heals_kept_tokens(const Engine *engine);

/* The first whose content is to be measured; NULL: none is. */
const HealRecord *heals_first_unmeasured(const Engine *engine);
void heals_measured(Engine *engine, const HealRecord *record, int64_t bytes);

/* The bytes of all that is kept and was measured, and is more kept than this? */
int64_t heals_bytes(const Engine *engine);
bool heals_has_later_kept(const Engine *engine, const HealRecord *record);

/* Nobody can have it back from here on; heals_drop_kept() follows when it is deleted. The slot. */
uint32_t heals_take_first_kept(Engine *engine);

/* Its content is not where it was kept any more. */
void heals_drop_kept(Engine *engine, uint32_t slot);

/* Copies of all, oldest first; each to be freed with heals_free_one(). */
GPtrArray *heals_list(const Engine *engine);

void heals_free_one(Heal *heal);

#endif
