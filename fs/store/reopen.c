#include "store/reopen.h"

#include "base/fd.h"
#include "store/reach.h"

#include <fcntl.h>

/* What of the flags belongs to the descriptor and not to the call. */
#define LASTING_FLAGS                                                                              \
    (O_ACCMODE | O_APPEND | O_DIRECT | O_NOATIME | O_SYNC | O_DSYNC | O_NONBLOCK | O_DIRECTORY)

void reopen_forget(Store *store)
{
    for (uint32_t i = 1; i <= store->nodes.used; i++) {
        Node *node = slot_find(&store->nodes, i);
        if (node) {
            node->fd = -1;
            node->in_lru = false;
        }
    }
    for (uint32_t i = 1; i <= store->handles.used; i++) {
        Handle *handle = slot_find(&store->handles, i);
        if (handle)
            handle->fd = -1;
    }
    store->lost = true;
}

static bool is_node(const Node *node, int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_ino == node->ino && st.st_dev == node->dev;
}

static int reopen(Store *store, Node *node, int flags)
{
    Place place;
    if (flags < 0)
        return -ESTALE;
    int r = reach_place(store, node, &place);
    if (r < 0)
        return r;
    creds_as_daemon(store->creds);
    WITH_DESCRIPTORS(store, r, reach_open(store, node, &place, flags & LASTING_FLAGS));
    AUTO_FD int fd = r;
    if (fd < 0)
        return fd;
    return is_node(node, fd) ? fd_take(&fd) : -ESTALE;
}

unsigned reopen_handles(Store *store)
{
    unsigned left = 0;
    for (uint32_t i = 1; i <= store->handles.used; i++) {
        Handle *handle = slot_find(&store->handles, i);
        if (!handle || handle->fd >= 0)
            continue;
        int fd = reopen(store, node_at(store, handle->node), handle->flags);
        if (fd >= 0)
            handle->fd = fd;
        else
            left++;
    }
    return left;
}

int reopen_created(Store *store, Node *dir, const char *name, int flags)
{
    int dir_fd = reach_dir(store, dir);
    if (dir_fd < 0)
        return dir_fd;
    creds_as_daemon(store->creds);
    int fd = openat(dir_fd, name, (flags & LASTING_FLAGS) | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}
