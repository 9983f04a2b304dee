/* How to get at a node's file: descriptors of directories, and (directory, name) for the rest. */
#ifndef LOCKFS_STORE_REACH_H
#define LOCKFS_STORE_REACH_H

#include "store/node.h"

/* A place to give to an *at() call. name is "" when fd is the file itself (AT_EMPTY_PATH). Valid
 * until the next call that may evict descriptors twice over, that is: for the operation at hand. */
typedef struct {
    int fd;
    const char *name;
} Place;

/* O_PATH descriptor of a directory; borrowed. Negative errno: -ESTALE when it is not there any
 * more. */
int reach_dir(Store *store, Node *dir);

/* The same for two at once. */
int reach_dirs(Store *store, Node *dirs[2], int fds[2]);

/* Where to find the node for a call that takes (fd, name) and does not follow links. */
int reach_place(Store *store, Node *node, Place *place);

/* An O_PATH descriptor of any node, to be closed by the caller. Checked to be that node. */
int reach_open_path(Store *store, Node *node);

/* Opens the file at a place found by reach_place() with open(2) flags (no O_CREAT), as the identity
 * in force. */
int reach_open(const Store *store, const Node *node, const Place *place, int flags);

/* Keeps a descriptor with the node for good: opens one if it has none; and takes one it has out of
 * the LRU. */
void reach_keep_fd(Store *store, Node *node);
void reach_fix_fd(Store *store, Node *node);

/* Puts the descriptor of a file that lost the name we knew, but not its last one, into the LRU:
 * when it goes, the kernel (ESTALE) looks the file up again under another name. */
void reach_lend_fd(Store *store, Node *node);
void reach_drop_fd(Store *store, Node *node);

#define REACH_PROC_PATH 32
/* "/proc/self/fd/N": for calls that take no descriptor of an O_PATH kind. */
void reach_proc_path(char buf[REACH_PROC_PATH], int fd);

/* The descriptor of one of the node's handles, which serves as well; -1: there is none. Borrowed.
 */
int reach_handle_fd(const Store *store, const Node *node);

#endif
