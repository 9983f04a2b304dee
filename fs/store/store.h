/* The source directory: what the kernel calls inodes and handles, and how each is reached below.
 *
 * A Node stands for a file of the source that the kernel (or a claim, or a child) refers to. Node
 * ids are numbers made of a slot and its generation; the kernel never holds a pointer.
 *
 * A node is reached in one of three ways, so that descriptors are no limit on the number of files:
 *   - a directory through an O_PATH descriptor, kept in an LRU and opened again when needed;
 *   - another file through its parent's descriptor and the name it was last seen under;
 *   - a file that has lost that name through a descriptor opened before it was lost, or an open
 * handle. A node therefore holds its parent in the table: the chain up to the root is always there.
 *
 * In-place sources change only through the mount, so (parent, name) is the truth. Where the source
 * may change behind the mount, what is opened by name is compared with the inode that was seen
 * (-ESTALE).
 *
 * Nothing here is thread-safe: the engine's lock is held by whoever calls.
 */
#ifndef LOCKFS_STORE_STORE_H
#define LOCKFS_STORE_STORE_H

#include "base/index.h"
#include "base/journal.h"
#include "base/names.h"
#include "store/caller.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define STORE_ROOT_ID 1 /* FUSE_ROOT_ID */

/* May the kernel have been told to take the entry of a node as it is for a while? */
typedef enum {
    NODE_BELIEVED,
    NODE_DOUBTED,     /* the kernel has been sent to look again */
    NODE_DISBELIEVED, /* it has looked, and was told to ask each time */
} NodeBelief;

typedef struct {
    SlotHead head;
    uint64_t dev, ino;
    uint64_t shown_ino; /* st_ino for callers where it is not the source's; 0: the source's */
    uint64_t lookups;   /* references the kernel holds */
    uint32_t parent;    /* 0: the name is lost, or the root */
    NameRef name;
    uint32_t pins;           /* children, claims and handles */
    int32_t fd;              /* O_PATH, -1: none */
    uint32_t mode, uid, gid; /* as last seen */
    uint32_t handles;        /* first of the open handles, chained */
    uint32_t claim;          /* first claim on this node, chained; the engine's */
    uint32_t claims_below;
    uint32_t ino_next;
    uint32_t lru_next, lru_prev;
    uint8_t belief; /* NodeBelief */
    bool in_lru;
    bool indexed;
    bool severed; /* belonged to a claim that was healed: what is below it is not reached by name */
} Node;

typedef struct {
    SlotHead head;
    uint64_t token; /* of the claim under which writing was allowed */
    uint32_t node;
    uint32_t node_next;
    int32_t fd;
    int32_t flags;   /* of the open descriptor; -1: not known */
    uint32_t opener; /* thread; 0: not known */
    uint32_t spare;
} Handle;

/* What was last seen of a name, good for the operation at hand. */
typedef struct {
    uint64_t stamp; /* the journal's */
    uint32_t dir;
    char name[64];
    struct stat st;
} StoreSeen;

typedef struct {
    int root_fd;
    bool in_place;
    Journal *journal; /* borrowed; NULL: none */
    StoreSeen seen;
    bool replaying; /* the act in force was executed by a process that died: see act.h */
    Creds *creds;   /* of the thread that holds the lock */
    Names *names;
    SlotArray nodes;
    SlotArray handles;
    Index by_ino;
    uint32_t lru_first, lru_last; /* most recently used first */
    uint32_t lru_count, lru_max;
    int fd_room;      /* descriptors from this number on are for what needs one for a moment */
    bool lost;        /* the descriptors of those who served before are gone: see reopen.h */
    int handle_fd;    /* the number of the last handle's */
    uint32_t severed; /* nodes that are */
} Store;

/* Bytes of file that the tables take. */
#define STORE_FILE_SPAN (2 * (1ULL << 40))

/* Serves the directory root_fd (consumed); store->creds is set by the caller. places: of nodes and
 * handles. 0 or negative
 * errno. */
int store_init(Store *store, int root_fd, bool in_place, Names *names, int file,
               const SlotPlace places[2], uint32_t max_nodes, unsigned long fd_limit);
void store_done(Store *store);

/* Closes what nodes and handles hold. */
void store_close_all(Store *store);

/* Counts and indexes anew what a table that was taken up holds. Pins of claims are the engine's to
 * add. */
void store_recover(Store *store);

/* Frees the nodes that nobody refers to. */
void store_settle_all(Store *store);

/* Runs `call`, and once more after giving back cached descriptors when there were none left. */
#define WITH_DESCRIPTORS(store, result, call)                                                      \
    do {                                                                                           \
        result = (call);                                                                           \
        if ((result == -EMFILE || result == -ENFILE) && store_shrink(store))                       \
            result = (call);                                                                       \
    } while (0)

/* Closes half of the cached descriptors, except those last used; false when there was none to
 * close. */
bool store_shrink(Store *store);

/* May another descriptor be kept for as long as somebody likes? Some are left for names to be
 * looked up and locks to be released, however many files are open. Gives back cached ones first. */
bool store_has_room(Store *store);

#endif
