#include "store/store.h"

#include "base/fd.h"
#include "store/handle.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/param.h>
#include <unistd.h>

/* Descriptors left for handles and pidfds: the cache of directories takes at most this part. */
#define LRU_SHARE 8
#define LRU_MIN 16
#define LRU_MAX 4096

/* Descriptors that open files and owners leave free: a quarter of the limit, but not more than
 * this. */
#define SPARE_SHARE 4
#define SPARE_MAX 256

static uint32_t *node_ino_link(void *records, uint32_t slot)
{
    Store *store = records;
    return &node_at(store, slot)->ino_next;
}

static int make_root(Store *store)
{
    struct stat st;
    if (fstat(store->root_fd, &st) != 0)
        return -errno;
    uint32_t index = slot_reserve(&store->nodes);
    if (!index)
        return -ENOMEM;
    Node *root = node_at(store, index);
    root->mode = st.st_mode;
    root->dev = st.st_dev;
    root->ino = st.st_ino;
    root->fd = store->root_fd;
    root->lookups = 1;
    slot_publish(&store->nodes, index);
    index_add(&store->by_ino, index_hash_pair(root->dev, root->ino), index);
    root->indexed = true;
    return 0;
}

int store_init(Store *store, int root_fd, bool in_place, Names *names, int file,
               const SlotPlace places[2], uint32_t max_nodes, unsigned long fd_limit)
{
    uint32_t share = (uint32_t)(fd_limit / LRU_SHARE);
    store->root_fd = root_fd;
    store->in_place = in_place;
    store->names = names;
    store->lru_max = share < LRU_MIN ? LRU_MIN : share > LRU_MAX ? LRU_MAX : share;
    store->fd_room = (int)MIN(fd_limit - MIN(fd_limit / SPARE_SHARE, SPARE_MAX), INT_MAX);
    index_init(&store->by_ino, node_ino_link, store);
    int r = slot_array_init(&store->nodes, file, places[0].offset, places[0].record, max_nodes);
    if (r == 0)
        r = slot_array_init(&store->handles, file, places[1].offset, places[1].record, max_nodes);
    if (r < 0)
        return r;
    return slot_is_used(&store->nodes, 1) ? 0 : make_root(store);
}

static void recover_node(Store *store, uint32_t index)
{
    Node *node = node_at(store, index);
    node->pins = 0;
    node->lru_next = node->lru_prev = 0;
    if (node->in_lru) { /* a cached descriptor, which is swept with all that nobody names */
        node->in_lru = false;
        node->fd = -1;
    }
    if (node->indexed)
        index_add(&store->by_ino, index_hash_pair(node->dev, node->ino), index);
    store->severed += node->severed;
}

void store_recover(Store *store)
{
    store->severed = 0;
    index_done(&store->by_ino);
    index_init(&store->by_ino, node_ino_link, store);
    for (uint32_t i = 1; i <= store->nodes.used; i++)
        if (slot_is_used(&store->nodes, i))
            recover_node(store, i);
    for (uint32_t i = 1; i <= store->nodes.used; i++)
        if (slot_is_used(&store->nodes, i) && node_at(store, i)->parent)
            node_pin(node_parent(store, node_at(store, i)));
    for (uint32_t i = 1; i <= store->handles.used; i++)
        if (slot_is_used(&store->handles, i))
            node_pin(node_at(store, handle_at(store, i)->node));
    node_root(store)->fd = store->root_fd;
}

void store_settle_all(Store *store)
{
    for (uint32_t i = 2; i <= store->nodes.used; i++) {
        const Node *look = slot_look(&store->nodes, i);
        if (!look || look->lookups || look->pins)
            continue;
        Node *node = node_at(store, i);
        node_pin(node); /* so that it goes with all that only it holds */
        node_unpin(store, node);
    }
}

/* The kernel hands out the lowest number that is free. */
bool store_has_room(Store *store)
{
    if (store->handle_fd < store->fd_room / 2)
        return true;
    do {
        int fd = fcntl(store->root_fd, F_DUPFD_CLOEXEC, 0);
        fd_close(fd);
        if (fd >= 0 && fd < store->fd_room)
            return true;
    } while (store_shrink(store));
    return false;
}

void store_close_all(Store *store)
{
    for (uint32_t i = 1; i <= store->handles.used; i++) {
        Handle *handle = slot_find(&store->handles, i);
        if (handle)
            fd_close(handle->fd);
    }
    for (uint32_t i = 1; i <= store->nodes.used; i++) {
        Node *node = slot_find(&store->nodes, i);
        if (node)
            fd_close(node->fd);
    }
}

void store_done(Store *store)
{
    slot_array_done(&store->nodes);
    slot_array_done(&store->handles);
    index_done(&store->by_ino);
}
