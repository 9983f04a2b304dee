/* The acts on the source, noted in the journal, so that each is done once though the process is
 * killed around it.
 *
 * A source_* function that changes what names stand for, or does what must not be done twice,
 * writes down what it is about to do and what
 * stands there, acts, and writes down the result. When a process died after an act and before the
 * answer, the next one brings the records back to the moment before the act and runs the request
 * again; meanwhile the store is `replaying`: source_stat_at() shows the names concerned as they
 * stood before, and the source_* call that asks for the same act gets its result without a second
 * execution.
 *
 * Whether an act that was begun was executed is seen from the source. That is proof, because the
 * kernel holds the directory's lock for the caller who still waits; and where the source may change
 * behind the mount, the time of the change is compared as well.
 */
#ifndef LOCKFS_STORE_ACT_H
#define LOCKFS_STORE_ACT_H

#include "store/node.h"

typedef enum {
    ACT_OP_MKDIR = 1,
    ACT_OP_MKNOD,
    ACT_OP_SYMLINK,
    ACT_OP_LINK,
    ACT_OP_CREATE,
    ACT_OP_UNLINK,
    ACT_OP_RMDIR,
    ACT_OP_RENAME,
    ACT_OP_XATTR,
    ACT_OP_APPEND,
} ActOp;

/* true: it was done already, *result is what came of it (the descriptor, for ACT_OP_CREATE). false:
 * do it now, and give the result to act_done(). */
bool act_begin(Store *store, ActOp op, unsigned flags, Node *dir, const char *name, int *result);
bool act_begin_rename(Store *store, Node *dir, const char *name, Node *new_dir,
                      const char *new_name, unsigned flags, int *result);

/* exists: the attribute is there now. flags: of setxattr(2), adjusted so that a repetition
 * succeeds; NULL for a removal. */
bool act_begin_xattr(Store *store, Node *node, const char *name, bool exists, int *result,
                     int *flags);

/* Up to `size` bytes to the end of the open file, with the descriptor's position moved along: that
 * it has moved shows that it was done. */
bool act_begin_append(Store *store, const Node *node, int fd, size_t size, int *result);

/* Returns the result. */
int act_done(Store *store, int result);

/* While replaying: what source_stat_at() is to say of this name; false: the source knows. */
bool act_view(Store *store, Node *dir, const char *name, struct stat *st, int *result);

/* The name was looked at, on the way to an act perhaps. */
void act_note_seen(Store *store, const Node *dir, const char *name, const struct stat *st);

/* --- after a death, before anything is served --- */

/* Pins the directories of the act in force, or unpins them again: what only we use, as that of
 * healed content, is otherwise forgotten while the tables are taken up. */
void act_hold(Store *store, bool hold);

/* Finds out whether the act in force was executed, and sets store->replaying if so. `is_free` says
 * of a descriptor that no record names it: that of a file just created is among those. */
void act_recover(Store *store, bool (*is_free)(void *ctx, int fd), void *ctx);

/* The descriptor that the act in force brought; -1: none. */
int act_descriptor(const Store *store);

/* The request was run again and comes to its end without having asked for the act (its caller's
 * right to it ended meanwhile): a creation or a move is undone. Before the answer is kept. */
void act_forsake(Store *store);

#endif
