/* clang-format off */
/* Claims and their owners: the records, and the ways to find them. Pure memory: no I/O, no clock.
 *
 * A claim is an entry (directory, name) together with the owner that made it. Its life:
 *
 *     (none) --claim_table_add--> HELD --owner died--> DEAD --taken off the source--> GHOST --told--> (none)
 *                                  | |                    +-- holds a living claim of another --> LINGERING --> DEAD
 *                                  | +-- owner died, and what it left is data --> (none)
 *                                  +-- released, published --> (none)
 *
 *   HELD       the entry is there and somebody owns it.
 *   DEAD       the owner is gone. The entry may still stand on the source; nobody is shown it.
 *   LINGERING  the owner is gone, but inside the directory lies a living claim; shown, owned by nobody.
 *   GHOST      the entry is off the source; the record waits for the watchers to be told. A new claim of the
 *              same name drops it.
 *
 * Invariants, held by claim_table_check():
 *   - at most one claim for each (dir, name);
 *   - a claim in state HELD has a living owner record, and stands in that owner's list exactly once;
 *   - tokens only grow; a claim's owner_next/prev, dir_next/prev and node_next chains are sound.
 *
 * dir and node are numbers of the layer above (inode table slots); the table only compares them.
 * An owner with no claims is kept a while as a cache of who is who: see owner_idle in the engine.
 */
/* clang-format on */
#ifndef LOCKFS_CLAIMS_CLAIM_TABLE_H
#define LOCKFS_CLAIMS_CLAIM_TABLE_H

#include "base/index.h"
#include "base/names.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum {
    CLAIM_HELD,
    CLAIM_DEAD,
    CLAIM_LINGERING,
    CLAIM_GHOST,
} ClaimState;

typedef enum {
    CLAIM_KIND_DIR,
    CLAIM_KIND_FILE,
    CLAIM_KIND_SYMLINK,
    CLAIM_KIND_LINK,
    CLAIM_KIND_NODE,
} ClaimKind;

#define CLAIM_COMM_SIZE 16

typedef struct {
    SlotHead head;
    uint64_t token;
    int64_t acquired_ns; /* since the epoch */
    uint32_t dir;
    NameRef name;
    uint32_t node;
    uint32_t owner;
    uint32_t heir; /* the process that called, where that is not the owner; 0: none */
    uint32_t owner_next, owner_prev;
    uint32_t dir_next, dir_prev;
    uint32_t node_next;
    uint32_t key_next;
    uint32_t rule;       /* index in the rule set */
    uint32_t uid;        /* of the owner, at the time */
    uint32_t reap_round; /* the engine's: when its removal was last tried */
    uint64_t cleared_at; /* the engine's: nothing living was inside at this count of changes */
    uint64_t linger_on;  /* slot id of a living claim inside; 0: none is known */
    pid_t caller_pid;
    char caller_comm[CLAIM_COMM_SIZE];
    uint8_t state;  /* ClaimState */
    uint8_t kind;   /* ClaimKind */
    uint8_t reason; /* why this owner: the layer above's enum */
    bool broken;    /* ended by a command while its owner lived */
    bool release_anyone;
    bool tidy;  /* made by a program that removes its locks when it ends by itself */
    bool dated; /* its owner gave it a time from before it was made */
} Claim;

typedef struct {
    SlotHead head;
    uint64_t start_time;
    uint64_t inode; /* pidfs, 0: none */
    uint64_t cgroup_id;
    uint64_t exe_dev, exe_ino; /* what it ran when it was found to be nobody's helper */
    pid_t pid;
    int32_t pidfd;
    int32_t cgroup_events; /* -1 unless the owner is a cgroup */
    int32_t exec_watch; /* tells whether it still runs what it ran; -1: compare exe_dev, exe_ino */
    uint64_t asked;     /* the engine's: the operation in which it was last found alive */
    uint32_t first_claim; /* newest first */
    uint32_t claims;
    uint32_t holds; /* claims that would pass to it, and requests under way */
    uint32_t pid_next;
    uint32_t uid;
    uint32_t idle_next, idle_prev;
    char comm[CLAIM_COMM_SIZE];
    uint8_t scope; /* the layer above's enum */
    bool dead;     /* death seen; final */
    bool plain;    /* resolves to itself: it is no helper while it runs exe_dev/exe_ino */
    bool idle;
    bool exit_known;
    uint8_t kind;        /* of program, while plain: the layer below's enum */
    uint8_t presumed;    /* the engine's: why it is taken for dead, where nobody saw it die */
    int32_t exit_status; /* as of wait(2), when exit_known */
} Owner;

typedef struct {
    SlotArray claims;
    SlotArray owners;
    Names *names; /* borrowed */
    Index by_key;
    Index by_pid;
    GHashTable *by_dir;   /* dir → first claim in it */
    uint64_t *last_token; /* lies with the records */
    uint32_t held;        /* HELD and LINGERING */
} ClaimTable;

/* Bytes of file that the records take. */
#define CLAIM_TABLE_FILE_SPAN (2 * (1ULL << 40))

/* places: of claims and owners. Tokens start above first_token, and above those of a table that is
 * taken up. The table must not move afterwards. 0 or negative errno. */
int claim_table_init(ClaimTable *table, Names *names, int fd, const SlotPlace places[2],
                     uint32_t max, uint64_t first_token);
void claim_table_done(ClaimTable *table);

/* Indexes and counts anew what a table that was taken up holds. */
void claim_table_recover(ClaimTable *table);

static inline Claim *claim_at(const ClaimTable *table, uint32_t index)
{
    return slot_at(&table->claims, index);
}

/* To read only: the journal need not keep it. */
static inline const Claim *claim_peek(const ClaimTable *table, uint32_t index)
{
    return slot_peek(&table->claims, index);
}

static inline uint32_t claim_index(const ClaimTable *table, const Claim *claim)
{
    return slot_index(&table->claims, claim);
}

static inline const char *claim_name(const ClaimTable *table, const Claim *claim)
{
    return names_get(table->names, claim->name);
}

static inline Owner *owner_at(const ClaimTable *table, uint32_t index)
{
    return slot_at(&table->owners, index);
}

/* To read only. */
static inline const Owner *owner_peek(const ClaimTable *table, uint32_t index)
{
    return slot_peek(&table->owners, index);
}

static inline uint32_t owner_index(const ClaimTable *table, const Owner *owner)
{
    return slot_index(&table->owners, owner);
}

/* The claim of this name, in any state; NULL: none. */
Claim *claim_table_find(const ClaimTable *table, uint32_t dir, const char *name);

/* Takes a slot ahead of the act that makes the entry, so that running out of room is known before
 * anything was done. Give it back with claim_table_cancel(), or use it with claim_table_add().
 * NULL: no room. */
Claim *claim_table_reserve(ClaimTable *table, uint32_t dir, const char *name);
void claim_table_cancel(ClaimTable *table, Claim *claim);

/* Makes a reserved claim stand: HELD, with a new token. `claim` has its plain fields filled in
 * (node, kind, rule, caller, reason, acquired_ns, release_anyone). heir may be NULL. */
void claim_table_add(ClaimTable *table, Claim *claim, Owner *owner, Owner *heir);

/* Ends a claim, whatever its state. The owner stays. */
void claim_table_remove(ClaimTable *table, Claim *claim);

/* Gives a claim another place. The new place must be free. false: no memory for the name, nothing
 * changed. */
bool claim_table_move(ClaimTable *table, Claim *claim, uint32_t dir, const char *name);

/* HELD → DEAD, LINGERING ↔ DEAD, DEAD → GHOST. */
void claim_table_set_state(ClaimTable *table, Claim *claim, ClaimState state);

/* The claim passes to its heir, which must be set. It keeps its token. */
void claim_table_inherit(ClaimTable *table, Claim *claim);

/* The claim passes to `owner` by command, with a new token: what the old owner fenced is over. */
void claim_table_transfer(ClaimTable *table, Claim *claim, Owner *owner);

/* First claim in a directory and the following ones; 0 ends. */
uint32_t claim_table_first_in(const ClaimTable *table, uint32_t dir);

/* Adds a process. Ownership of the descriptors passes to the table's user, who closes them when it
 * removes. NULL: no room. */
Owner *owner_add(ClaimTable *table, const Owner *fields);
void owner_remove(ClaimTable *table, Owner *owner);

/* The process record for a pid with this scope and cgroup that is not known to be dead; NULL: none.
 */
Owner *owner_find(const ClaimTable *table, pid_t pid, uint8_t scope, uint64_t cgroup_id);

/* Verifies every invariant; false and a text in *problem (to be freed) when one is broken. O(n). */
bool claim_table_check(const ClaimTable *table, char **problem);

#endif
