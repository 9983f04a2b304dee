/* One moment of the claims below a directory, copied so that it can be looked at at leisure.
 *
 * Made under the engine's lock and read without it; what /proc says of the processes is asked by
 * whoever renders it, and belongs to a later moment.
 */
#ifndef LOCKFS_ENGINE_SNAPSHOT_H
#define LOCKFS_ENGINE_SNAPSHOT_H

#include "engine/engine.h"
#include "engine/heals.h"
#include "engine/infer.h"
#include "engine/waiters.h"
#include "proc/hiding.h" /* for whoever renders it */
#include "proc/pid-ns.h"

typedef struct {
    pid_t pid;
    uint64_t start_time;
    uint64_t cgroup_id;
    uint32_t uid;
    uint8_t scope; /* OwnerScope */
    char comm[CLAIM_COMM_SIZE];
} SnapshotOwner;

typedef struct {
    const char *path; /* from the directory asked about */
    uint64_t token;
    int64_t acquired_ns;
    const Rule *rule;
    SnapshotOwner owner;
    pid_t caller_pid;
    char caller_comm[CLAIM_COMM_SIZE];
    ClaimKind kind;
    ClaimState state; /* CLAIM_HELD or CLAIM_LINGERING */
    OwnerReason reason;
    const char *unowned; /* why nobody owns it: then it is no claim; NULL: it is one */
    pid_t recorded_pid;  /* what the unowned entry says of its owner; 0: nothing */
    const char *recorded_host;
} SnapshotClaim;

typedef struct {
    int64_t now_ns;
    GArray *claims;  /* of SnapshotClaim */
    GArray *waiters; /* of Waiter, by token */
    GStringChunk *strings;
    RuleSet *rules;
} Snapshot;

/* All claims below a directory: snapshot_walk(). The claim, or unowned entry, of one name; -ENOENT:
 * none. */
int snapshot_take_one(Engine *engine, uint64_t dir, const char *name, Snapshot *out);

/* The first claim on a node, by its name; -ENODATA: none. */
int snapshot_take_node(Engine *engine, const Caller *caller, uint64_t node, Snapshot *out);

void snapshot_done(Snapshot *snapshot);

/* With the lock held, for snapshot_walk(): an empty one; the unowned entries that were met; a claim
 * as it stands, if it is one to be shown; path is scratch. */
void snapshot_begin(Engine *engine, Snapshot *snapshot);
void snapshot_add_unowned(Engine *engine, Node *top, Snapshot *snapshot);
void snapshot_add(Engine *engine, const Node *top, const Claim *claim, GString *path,
                  Snapshot *snapshot);

/* With the lock held, for a listener: one claim as seen from `dir`; false: it is not below. The
 * path is to be freed. */
bool snapshot_claim(Engine *engine, const Node *dir, const Claim *claim, SnapshotClaim *out,
                    char **path);

/* What was healed below a directory; the paths are from there. Takes the lock. NULL: no such
 * directory. */
GPtrArray *snapshot_heals(Engine *engine, uint64_t dir);

/* With the lock held: the path of a healed entry from a directory, to be freed; NULL: it was not
 * below. */
char *snapshot_path_below(Engine *engine, Node *top, const char *path);

#endif
