#include "store/node.h"

#include "base/crash-point.h"
#include "base/fd.h"
#include "store/reach.h"

#include <string.h>

Node *node_by_id(const Store *store, uint64_t id)
{
    if (id == STORE_ROOT_ID)
        return node_root(store);
    return slot_find_id(&store->nodes, id);
}

uint64_t node_id(const Store *store, const Node *node)
{
    uint32_t index = node_index(store, node);
    return index == 1 ? STORE_ROOT_ID : slot_id(&store->nodes, index);
}

Node *node_by_ino(const Store *store, uint64_t dev, uint64_t ino)
{
    uint32_t i = index_first(&store->by_ino, index_hash_pair(dev, ino));
    while (i) {
        const Node *node = node_peek(store, i);
        if (node->ino == ino && node->dev == dev)
            return node_at(store, i);
        i = node->ino_next;
    }
    return NULL;
}

static void unindex(Store *store, Node *node)
{
    if (node->indexed) {
        index_remove(&store->by_ino, index_hash_pair(node->dev, node->ino),
                     node_index(store, node));
        node->indexed = false;
    }
}

static void lose_name(Store *store, Node *node)
{
    Node *parent = node_parent(store, node);
    names_remove(store->names, node->name);
    CRASH_POINT("name-gone");
    node->name = 0;
    node->parent = 0;
    if (parent)
        node_unpin(store, parent);
}

static Node *node_new(Store *store, uint32_t mode)
{
    uint32_t index = slot_reserve(&store->nodes);
    if (!index)
        return NULL;
    Node *node = node_at(store, index);
    node->mode = mode;
    node->fd = -1;
    slot_publish(&store->nodes, index);
    CRASH_POINT("node-made");
    return node;
}

static void node_free(Store *store, Node *node)
{
    store->severed -= node->severed;
    unindex(store, node);
    reach_drop_fd(store, node);
    lose_name(store, node);
    CRASH_POINT("node-to-free");
    slot_release(&store->nodes, node_index(store, node));
}

void node_settle(Store *store, Node *node)
{
    if (node->lookups == 0 && node->pins == 0 && node_index(store, node) != 1)
        node_free(store, node);
}

Node *node_new_shadow(Store *store, uint32_t mode)
{
    return node_new(store, mode);
}

static bool is_at(const Store *store, const Node *node, const Node *dir, const char *name)
{
    return node->parent == node_index(store, dir) &&
           strcmp(names_get(store->names, node->name), name) == 0;
}

bool node_move(Store *store, Node *node, Node *dir, const char *name)
{
    if (is_at(store, node, dir, name))
        return true;
    NameRef ref = names_add(store->names, name);
    if (!ref)
        return false;
    node_pin(dir);
    CRASH_POINT("node-to-move");
    lose_name(store, node);
    CRASH_POINT("node-nameless");
    node->parent = node_index(store, dir);
    node->name = ref;
    if (node->in_lru && !node_is_dir(node))
        reach_drop_fd(store, node);
    return true;
}

/* An inode number that comes back with another type, or for something that was healed away and may
 * have been deleted since, belongs to a new file. */
static bool still_the_same(const Store *store, const Node *node, const struct stat *st)
{
    return ((node->mode ^ st->st_mode) & S_IFMT) == 0 && !node_is_severed(store, node);
}

/* A directory found inside itself: what the table knows of the place where it is found is out of
 * date (directories moved behind the mount). Its node must not become its own ancestor. */
static bool is_own_ancestor(const Store *store, const Node *node, const Node *dir)
{
    return node_is_dir(node) && node->parent != node_index(store, dir) &&
           node != node_root(store) && node_is_below(store, dir, node);
}

Node *node_intern_unnamed(Store *store, const struct stat *st)
{
    Node *node = node_new(store, st->st_mode);
    if (!node)
        return NULL;
    node->dev = st->st_dev;
    node->ino = st->st_ino;
    node_note(node, st);
    index_add(&store->by_ino, index_hash_pair(node->dev, node->ino), node_index(store, node));
    node->indexed = true;
    return node;
}

Node *node_intern_new(Store *store, Node *dir, const char *name, const struct stat *st)
{
    Node *stale = node_by_ino(store, st->st_dev, st->st_ino);
    if (stale)
        unindex(store, stale);
    return node_intern(store, dir, name, st);
}

Node *node_intern(Store *store, Node *dir, const char *name, const struct stat *st)
{
    Node *node = node_by_ino(store, st->st_dev, st->st_ino);
    if (node && (!still_the_same(store, node, st) || is_own_ancestor(store, node, dir))) {
        unindex(store, node);
        node = NULL;
    }
    if (node) {
        node_note(node, st);
        if (node != node_root(store))
            node_move(store, node, dir, name);
        return node;
    }
    node = node_intern_unnamed(store, st);
    if (node && !node_move(store, node, dir, name)) {
        node_free(store, node);
        return NULL;
    }
    return node;
}

void node_forget(Store *store, Node *node, uint64_t count)
{
    node->lookups -= count < node->lookups ? count : node->lookups;
    node_settle(store, node);
}

/* Walks up instead of recursing: a chain of directories held by their children only goes all at
 * once. */
void node_unpin(Store *store, Node *node)
{
    node->pins--;
    while (node && node->pins == 0 && node->lookups == 0 && node != node_root(store)) {
        Node *parent = node_parent(store, node);
        if (parent)
            node_pin(parent);
        node_free(store, node);
        if (parent)
            parent->pins--;
        node = parent;
    }
}

void node_before_removal(Store *store, Node *node, const Node *dir, const char *name, bool unseen)
{
    if (!is_at(store, node, dir, name))
        return;
    bool reachable = node->fd >= 0 || reach_handle_fd(store, node) >= 0;
    if (!reachable && !unseen && node->lookups)
        reach_keep_fd(store, node);
    else if (node->fd >= 0)
        reach_fix_fd(store, node);
}

void node_after_removal(Store *store, Node *node, const Node *dir, const char *name, bool last)
{
    if (last)
        unindex(store, node);
    if (!is_at(store, node, dir, name))
        return;
    lose_name(store, node);
    if (!last && node->fd >= 0 && !node->in_lru)
        reach_lend_fd(store, node);
}

bool node_is_below(const Store *store, const Node *node, const Node *ancestor)
{
    while (node && node != ancestor)
        node = node_above(store, node);
    return node != NULL;
}

void node_sever(Store *store, Node *node)
{
    if (!node->severed) {
        node->severed = true;
        store->severed++;
    }
    unindex(store, node);
}

bool node_is_severed(const Store *store, const Node *node)
{
    if (store->severed == 0)
        return false;
    while (node && !node->severed)
        node = node_above(store, node);
    return node != NULL;
}
