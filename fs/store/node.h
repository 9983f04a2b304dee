/* The table of nodes: see store.h for what a node is. */
#ifndef LOCKFS_STORE_NODE_H
#define LOCKFS_STORE_NODE_H

#include "store/store.h"

static inline Node *node_at(const Store *store, uint32_t index)
{
    return slot_at(&store->nodes, index);
}

/* To read only: the journal need not keep it. */
static inline const Node *node_peek(const Store *store, uint32_t index)
{
    return slot_peek(&store->nodes, index);
}

static inline uint32_t node_index(const Store *store, const Node *node)
{
    return slot_index(&store->nodes, node);
}

static inline Node *node_root(const Store *store)
{
    return node_at(store, 1);
}

static inline Node *node_parent(const Store *store, const Node *node)
{
    return node->parent ? node_at(store, node->parent) : NULL;
}

/* The same, to read only. */
static inline const Node *node_above(const Store *store, const Node *node)
{
    return node->parent ? node_peek(store, node->parent) : NULL;
}

static inline bool node_is_dir(const Node *node)
{
    return S_ISDIR(node->mode);
}

/* By the number the kernel uses; NULL for one that is not (any more) in use. */
Node *node_by_id(const Store *store, uint64_t id);
uint64_t node_id(const Store *store, const Node *node);

/* The node for a file of the source; NULL when it is not known. */
Node *node_by_ino(const Store *store, uint64_t dev, uint64_t ino);

/* The node for what was found under (dir, name) with these attributes: the known one, now
 * remembered under that name, or a new one. The caller takes a reference before anything else
 * happens. NULL: no memory. */
Node *node_intern(Store *store, Node *dir, const char *name, const struct stat *st);

/* The same for what was made just now: a node known under its inode number is of a file that is
 * gone. */
Node *node_intern_new(Store *store, Node *dir, const char *name, const struct stat *st);

/* The node of a file that was made without a name; it is reached through its handle. */
Node *node_intern_unnamed(Store *store, const struct stat *st);

/* A node with no file below, of the type given: what stands in for an entry that is gone already.
 */
Node *node_new_shadow(Store *store, uint32_t mode);

/* References of the kernel. Dropping the last one (of both kinds) frees the node. */
static inline void node_look(Node *node)
{
    node->lookups++;
}
void node_forget(Store *store, Node *node, uint64_t count);

/* References of ours. */
static inline void node_pin(Node *node)
{
    node->pins++;
}
void node_unpin(Store *store, Node *node);

/* Frees the node if nobody refers to it. For one that was interned and then not used. */
void node_settle(Store *store, Node *node);

/* The file has moved: it is now reached as (dir, name). false: no memory, nothing changed. */
bool node_move(Store *store, Node *node, Node *dir, const char *name);

/* To be called before the name (dir, name) of `node` goes away, so that the file stays reachable
 * for those who hold it. `unseen`: nobody can have looked at it since it was made. */
void node_before_removal(Store *store, Node *node, const Node *dir, const char *name, bool unseen);

/* The name is gone. `last`: it was the last one, so the inode number may be given to another file.
 */
void node_after_removal(Store *store, Node *node, const Node *dir, const char *name, bool last);

/* Remembers what was seen of the file. */
static inline void node_note(Node *node, const struct stat *st)
{
    node->mode = st->st_mode;
    node->uid = st->st_uid;
    node->gid = st->st_gid;
}

/* Applies what is shown instead of the source's numbers. */
static inline void node_dress(const Node *node, struct stat *st)
{
    if (node->shown_ino)
        st->st_ino = node->shown_ino;
}

/* Is `node` inside (or the same as) `ancestor`? */
bool node_is_below(const Store *store, const Node *node, const Node *ancestor);

/* Cuts the node off: what is below it is not reached by name any more, and its inode number is
 * nobody's. */
void node_sever(Store *store, Node *node);

/* Does the path up from here run through a directory that was healed away? */
bool node_is_severed(const Store *store, const Node *node);

#endif
