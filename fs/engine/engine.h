/* The engine joins the layers: it takes requests in terms of nodes and names, asks the rules and
 * the arbiter, and acts on the source.
 *
 * Every function named engine_* takes the lock itself; none waits for anything but the source. The
 * thread that serves requests calls them; the reaper (reaper.h) is the only other thread that
 * touches the state.
 *
 * An exclusive create gives its answer through a callback. On one machine it is called before the
 * function returns; an arbiter shared by several machines may call it later, and nothing above the
 * engine will notice.
 */
#ifndef LOCKFS_ENGINE_ENGINE_H
#define LOCKFS_ENGINE_ENGINE_H

#include "base/journal.h"
#include "base/log.h"
#include "claims/claim-table.h"
#include "engine/absent.h"
#include "engine/stats.h"
#include "proc/death-watch.h"
#include "proc/identity.h"
#include "rules/rule-set.h"
#include "store/source.h"

#include <pthread.h>

/* Lock entries that are there when lockfs comes, and whose owner is not known. */
typedef enum {
    ENGINE_UNOWNED_INFER, /* heal what is provably stale, adopt what is provably owned */
    ENGINE_UNOWNED_KEEP,
    ENGINE_UNOWNED_HEAL, /* heal all but what is provably owned */
} EngineUnowned;

typedef struct {
    EngineUnowned unowned;
    bool shared;     /* other machines use the source, too */
    bool observe;    /* claim and report, never hide, heal or refuse */
    bool mtime_real; /* show strangers the true times of a live lock */
    bool read_only;
    bool kernel_checks; /* the callers' rights, before it asks (allow_other) */
    uint32_t max_locks;
    uint32_t max_locks_per_uid;
    int64_t retain_ns;
    int64_t retain_max;      /* bytes of what is kept */
    double data_timeout;     /* seconds that the kernel may keep entries and attributes of data */
    double negative_timeout; /* and that a data name is not there */
} EngineOptions;

/* What the engine asks of the layers above; called from the reaper only, without the lock. */
typedef struct {
    /* rmdir(2) or unlink(2) of `name` in the directory `dir_path` (relative, "" for the root)
     * through our own mount. -ENXIO: the mount cannot be reached from here. */
    int (*remove_through_mount)(void *ctx, const char *dir_path, const char *name, bool is_dir);
    /* Tells the kernel that an entry is gone; node_id 0: the file may live on under another name.
     */
    void (*tell_removed)(void *ctx, uint64_t dir_id, uint64_t node_id, const char *name);
    void *ctx;
} EngineHooks;

typedef struct Reaper Reaper;
typedef struct Trash Trash;
typedef struct Heals Heals;
typedef struct Waiters Waiters;
typedef struct Infer Infer;
typedef struct InferWalk InferWalk;
typedef struct Lasting Lasting;
typedef struct Notice Notice;
typedef struct Observed Observed;
typedef struct SnapshotWalk SnapshotWalk;

/* Hears of what happens to claims. Called with the lock held, by whichever thread made it happen;
 * with NULL when the operation in which it did stands, and will not be run again. */
typedef void (*NoticeFunc)(void *ctx, const Notice *notice);

typedef struct {
    unsigned waiting;     /* for the lock */
    pthread_mutex_t lock; /* guards all that follows */
    Journal journal;
    uintptr_t request_thread; /* that holds the lock for a whole request; 0: none */
    EngineOptions options;
    EngineHooks hooks;
    const Proc *proc;          /* borrowed */
    const HelperList *helpers; /* borrowed */
    RuleSet *rules;
    Creds serving_creds,
        reaper_creds; /* an identity is a thread's; store.creds points at one of them */
    Names names;
    Store store;
    ClaimTable claims;
    GHashTable *per_uid; /* uid → claims held */
    uint32_t held_by_kind[STATS_KINDS];
    GString *path; /* scratch for rule_set_match */
    Reaper *reaper;
    Trash *trash;
    Heals *heals;
    SlotArray heal_records; /* heals.h */
    SlotArray totals;       /* one TotalsRecord */
    SlotArray above;        /* records of the layer above, of ENGINE_ABOVE_RECORD bytes */
    Lasting *lasting;
    Waiters *waiters;
    SnapshotWalk
        *walks; /* under way; while there are any, they are told first what the journal is */
    void (*keep_unwalked)(SlotKeeper *keeper, uint32_t array, uint32_t index);
    Infer *infer; /* NULL: nothing is inferred */
    InferWalk *infer_walk;
    Observed *observed; /* NULL unless options.observe */
    NoticeFunc notice;  /* NULL while nobody listens */
    void *notice_ctx;
    bool noticed;                     /* in the operation under way */
    const char *const *request_names; /* STATS_OPCODES, given by who serves; NULL: not shown */
    int file;                         /* what the tables live in */
    bool recovered;                   /* the tables were those of a process that died */
    uint32_t idle_first, idle_last,
        idle_count; /* owners without claims, most recently used first */
    LogLimit refusals, heal_lines, refuse_lines, unowned_lines;
    AbsentNames absent;
    uint64_t places_changed; /* counts claims that have begun or moved; never 0 */
    uint64_t operation;      /* counts them; never 0 */
    uint32_t exec_watches;   /* descriptors */
} Engine;

/* What a lookup or a create found, for the reply. */
typedef struct {
    uint64_t
        node_id; /* 0: nothing is there, and entry_timeout says for how long that may be believed */
    struct stat attr;
    double entry_timeout, attr_timeout;
    uint64_t fh; /* creates of files */
} Entry;

/* Where in the file others may keep what is theirs. */
#define ENGINE_SERVER_AT (2ULL << 30)
#define ENGINE_HEADER_AT (3ULL << 30)
#define ENGINE_LASTING_AT (7ULL << 29)

/* A record that it keeps in the journal with ours begins with a SlotHead. */
#define ENGINE_ABOVE_RECORD 128
#define ENGINE_ABOVE_MAX (1U << 20)

/* root_fd is consumed; rules gets a reference of its own. `file` holds the tables, new or those of
 * a process that served this mount before, and is consumed; -1: memory of this process. 0 or
 * negative errno; -EPROTO: the tables in the file are none of ours. */
int engine_init(Engine *engine, int root_fd, bool in_place, const EngineOptions *options,
                RuleSet *rules, const Proc *proc, const HelperList *helpers, int file);
void engine_done(Engine *engine);

/* Begin and end an operation of the serving thread; for the engine's own files. */
void engine_lock(Engine *engine);
void engine_unlock(Engine *engine);

/* The same for a thread of the pool, whose identity is another than the serving thread's; it acts
 * as the daemon. creds is to be filled in by creds_init_thread(). */
void engine_lock_aside(Engine *engine, Creds *creds);
void engine_unlock_aside(Engine *engine);

/* Waits, without the lock, until nobody else waits for it: for work in many short steps. */
void engine_give_way(const Engine *engine);

/* Around all that one request does, its answer included: see journal.h. The calls between them take
 * the lock no more. `unique` is the kernel's number for it. `again`: it was begun by a process that
 * died, and goes on from there. */
void engine_request_begin(Engine *engine, uint64_t unique, bool again);
void engine_request_end(Engine *engine);

/* To be counted in: goes back with the operation, if that does. */
static inline EngineStats *engine_stats(Engine *engine)
{
    return &((TotalsRecord *)slot_at(&engine->totals, 1))->stats;
}

static inline const EngineStats *engine_stats_look(const Engine *engine)
{
    return &((const TotalsRecord *)slot_peek(&engine->totals, 1))->stats;
}

/* Is this the thread that is serving a request? */
static inline bool engine_in_request(const Engine *engine)
{
    return __atomic_load_n(&engine->request_thread, __ATOMIC_RELAXED) == (uintptr_t)pthread_self();
}

/* Starts the reaper. Hooks are called from its thread. */
int engine_start(Engine *engine, const EngineHooks *hooks);
void engine_stop(Engine *engine);

/* Takes off the source what the dead have left and the reaper has not come to: once the mount has
 * ended nobody knows it for what it is. By the thread that served, after engine_stop(). */
void engine_clear_dead(Engine *engine);

/* --- looking --- */

/* A name: 0 with entry filled in (and a reference of the kernel taken), or negative errno; a
 * missing entry is 0 with node_id 0. */
int engine_lookup(Engine *engine, const Caller *caller, uint64_t dir, const char *name,
                  Entry *entry);

/* The same for an entry of a listing: nobody tries to take what is only listed. */
int engine_lookup_listed(Engine *engine, const Caller *caller, uint64_t dir, const char *name,
                         Entry *entry);
void engine_forget(Engine *engine, uint64_t node, uint64_t count);

/* fh 0: none. */
int engine_getattr(Engine *engine, const Caller *caller, uint64_t node, uint64_t fh, Entry *entry);
int engine_setattr(Engine *engine, const Caller *caller, uint64_t node, uint64_t fh,
                   const SourceChange *change, Entry *entry);

/* May this name of a directory be listed? *ino is what to show as its inode. Also false for lockfs'
 * own names. */
bool engine_lists(Engine *engine, uint64_t dir, const char *name, uint64_t *ino);

/* --- making --- */

typedef enum {
    MAKE_DIR,
    MAKE_NODE,
    MAKE_SYMLINK,
    MAKE_LINK,
    MAKE_FILE,    /* open with O_CREAT */
    MAKE_TMPFILE, /* unnamed */
} MakeKind;

typedef struct {
    MakeKind kind;
    uint64_t dir;
    const char *name;
    mode_t mode;
    dev_t rdev;
    const char *target; /* MAKE_SYMLINK */
    uint64_t node;      /* MAKE_LINK: what to link */
    int flags;          /* MAKE_FILE, MAKE_TMPFILE: of open(2) */
} Making;

/* error: 0 or negative errno; entry is valid for the call when it is 0. */
typedef void (*EngineDone)(void *user, int error, const Entry *entry);

void engine_make(Engine *engine, const Caller *caller, const Making *making, EngineDone done,
                 void *user);

/* --- unmaking --- */

int engine_remove(Engine *engine, const Caller *caller, uint64_t dir, const char *name,
                  bool is_dir);

void engine_rename(Engine *engine, const Caller *caller, uint64_t dir, const char *name,
                   uint64_t new_dir, const char *new_name, unsigned flags, EngineDone done,
                   void *user);

/* --- files --- */

/* Opens a file or directory: *fh and the descriptor's flags are the source's. */
int engine_open(Engine *engine, const Caller *caller, uint64_t node, int flags, uint64_t *fh);
void engine_close(Engine *engine, uint64_t fh);

/* The descriptor behind fh, for reading, listing, syncing. It stays open until the kernel releases
 * the handle, which it does not do while a request on it is under way. */
int engine_handle_fd(Engine *engine, uint64_t fh);

/* The same for an act that changes the file, which a live claim of somebody else forbids. The
 * thread acts as the caller from here on, so that the source clears the set-id bits, or does not,
 * as it would have for the caller. */
int engine_handle_fd_to_write(Engine *engine, const Caller *caller, uint64_t fh);

/* Writes to the end of the file, wherever the source has it. Bytes or negative errno. */
ssize_t engine_append(Engine *engine, const Caller *caller, uint64_t fh, const void *data,
                      size_t size);

ssize_t engine_readlink(Engine *engine, uint64_t node, char *buf, size_t size);
int engine_access(Engine *engine, const Caller *caller, uint64_t node, int mask);
int engine_statvfs(Engine *engine, uint64_t node, struct statvfs *st);
ssize_t engine_getxattr(Engine *engine, const Caller *caller, uint64_t node, const char *name,
                        void *value, size_t size);
ssize_t engine_listxattr(Engine *engine, const Caller *caller, uint64_t node, char *list,
                         size_t size);
int engine_setxattr(Engine *engine, const Caller *caller, uint64_t node, const char *name,
                    const void *value, size_t size, int flags);
int engine_removexattr(Engine *engine, const Caller *caller, uint64_t node, const char *name);

#endif
