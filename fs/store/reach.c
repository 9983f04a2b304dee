#include "store/reach.h"

#include "base/fd.h"
#include "store/handle.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* The last used ones are never given back for want of descriptors: the operation at hand works with
 * them. */
#define LRU_KEEP 4

static void lru_unlink(Store *store, Node *node)
{
    if (!node->in_lru)
        return;
    if (node->lru_prev)
        node_at(store, node->lru_prev)->lru_next = node->lru_next;
    else
        store->lru_first = node->lru_next;
    if (node->lru_next)
        node_at(store, node->lru_next)->lru_prev = node->lru_prev;
    else
        store->lru_last = node->lru_prev;
    node->in_lru = false;
    store->lru_count--;
}

static void lru_link(Store *store, Node *node)
{
    uint32_t index = node_index(store, node);
    node->lru_prev = 0;
    node->lru_next = store->lru_first;
    if (store->lru_first)
        node_at(store, store->lru_first)->lru_prev = index;
    else
        store->lru_last = index;
    store->lru_first = index;
    node->in_lru = true;
    store->lru_count++;
}

static void lru_touch(Store *store, Node *node)
{
    if (node->in_lru && store->lru_first != node_index(store, node)) {
        lru_unlink(store, node);
        lru_link(store, node);
    }
}

static void evict_last(Store *store)
{
    Node *node = node_at(store, store->lru_last);
    lru_unlink(store, node);
    node->fd = fd_close(node->fd);
}

bool store_shrink(Store *store)
{
    uint32_t keep = MAX(store->lru_count / 2, LRU_KEEP);
    bool any = store->lru_count > keep;
    while (store->lru_count > keep)
        evict_last(store);
    return any;
}

void reach_drop_fd(Store *store, Node *node)
{
    lru_unlink(store, node);
    node->fd = journal_close(store->journal, node->fd);
}

void reach_fix_fd(Store *store, Node *node)
{
    lru_unlink(store, node);
}

void reach_lend_fd(Store *store, Node *node)
{
    if (store->lru_count >= store->lru_max)
        evict_last(store);
    lru_link(store, node);
}

static int verify(const Node *node, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    bool same = st.st_dev == node->dev && st.st_ino == node->ino &&
                ((st.st_mode ^ node->mode) & S_IFMT) == 0; /* numbers are given away again */
    return same ? 0 : -ESTALE;
}

/* Opens by the remembered name below a parent whose descriptor is open. */
static int open_below(const Store *store, const Node *node, int parent_fd)
{
    AUTO_FD int fd =
        openat(parent_fd, names_get(store->names, node->name), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? -ESTALE : -errno;
    int r = verify(node, fd);
    return r < 0 ? r : fd_take(&fd);
}

static int open_cached_dir(Store *store, Node *dir, Node *parent)
{
    int fd;
    lru_touch(store, parent);
    creds_as_daemon(store->creds);
    WITH_DESCRIPTORS(store, fd, open_below(store, dir, parent->fd));
    if (fd < 0)
        return fd;
    if (store->lru_count >= store->lru_max)
        evict_last(store);
    dir->fd = fd;
    lru_link(store, dir);
    return 0;
}

int reach_handle_fd(const Store *store, const Node *node)
{
    return node->handles ? handle_at(store, node->handles)->fd : -1;
}

int reach_dir(Store *store, Node *dir)
{
    while (dir->fd < 0) {
        /* Open the chain from the top: find the highest directory that is closed. */
        Node *closed = dir;
        Node *parent = node_parent(store, closed);
        while (parent && parent->fd < 0) {
            closed = parent;
            parent = node_parent(store, closed);
        }
        if (!parent) {
            int fd = closed == dir ? reach_handle_fd(store, dir) : -1;
            return fd >= 0 ? fd : -ESTALE;
        }
        int r = open_cached_dir(store, closed, parent);
        if (r < 0)
            return r;
    }
    lru_touch(store, dir);
    return dir->fd;
}

int reach_dirs(Store *store, Node *dirs[2], int fds[2])
{
    /* Opening the one may close the other, which is then opened again by what is open by now. */
    for (int tries = 0; tries < 3; tries++) {
        for (int i = 0; i < 2; i++) {
            fds[i] = reach_dir(store, dirs[i]);
            if (fds[i] < 0)
                return fds[i];
        }
        if (dirs[0]->fd == fds[0] || reach_handle_fd(store, dirs[0]) == fds[0])
            return 0;
    }
    return -EMFILE;
}

int reach_place(Store *store, Node *node, Place *place)
{
    int fd = node->fd >= 0 ? node->fd : -1;
    if (fd < 0 && (!node->parent || !store->in_place))
        fd = reach_handle_fd(store, node);
    if (fd >= 0) {
        lru_touch(store, node);
        *place = (Place){fd, ""};
        return 0;
    }
    Node *parent = node_parent(store, node);
    if (!parent)
        return -ESTALE;
    int r = reach_dir(store, parent);
    if (r < 0)
        return r;
    *place = (Place){r, names_get(store->names, node->name)};
    return 0;
}

int reach_open_path(Store *store, Node *node)
{
    Place place;
    int r = reach_place(store, node, &place);
    if (r < 0)
        return r;
    creds_as_daemon(store->creds);
    if (place.name[0] == '\0') {
        r = fcntl(place.fd, F_DUPFD_CLOEXEC, 0);
        return r < 0 ? -errno : r;
    }
    WITH_DESCRIPTORS(store, r, open_below(store, node, place.fd));
    return r;
}

static int open_proc(int fd, int flags)
{
    char path[REACH_PROC_PATH];
    reach_proc_path(path, fd);
    int opened = open(path, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
    return opened < 0 ? -errno : opened;
}

int reach_open(const Store *store, const Node *node, const Place *place, int flags)
{
    if (place->name[0] == '\0')
        return open_proc(place->fd, flags);
    AUTO_FD int fd = openat(place->fd, place->name, flags | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP ? -ESTALE : -errno;
    int r = store->in_place ? 0 : verify(node, fd);
    return r < 0 ? r : fd_take(&fd);
}

void reach_keep_fd(Store *store, Node *node)
{
    int fd = reach_open_path(store, node);
    if (fd >= 0)
        node->fd = fd;
}

void reach_proc_path(char buf[REACH_PROC_PATH], int fd)
{
    snprintf(buf, REACH_PROC_PATH, "/proc/self/fd/%d", fd);
}
