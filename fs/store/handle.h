/* Open files and directories: the numbers the kernel hands back as fh. */
#ifndef LOCKFS_STORE_HANDLE_H
#define LOCKFS_STORE_HANDLE_H

#include "store/node.h"

static inline Handle *handle_at(const Store *store, uint32_t index)
{
    return slot_at(&store->handles, index);
}

static inline Handle *handle_by_id(const Store *store, uint64_t fh)
{
    return slot_find_id(&store->handles, fh);
}

/* What a failed call on its descriptor says: one that was lost has none (see reopen.h). */
static inline int handle_errno(const Handle *handle)
{
    return handle->fd < 0 ? -ESTALE : -errno;
}

/* The descriptor, or what a call on it says. */
static inline int handle_fd(const Handle *handle)
{
    return handle->fd < 0 ? -ESTALE : handle->fd;
}

/* Is the file still open for somebody, and gone? */
static inline bool handle_is_lost(const Store *store, const Node *node)
{
    return node->handles && handle_at(store, node->handles)->fd < 0;
}

/* Takes the descriptor and a pin on the node. opener: the thread it is for. The handle's number
 * goes to *fh; NULL: no memory, and the descriptor is still the caller's. */
Handle *handle_new(Store *store, Node *node, int fd, pid_t opener, uint64_t *fh);

/* Closes. */
void handle_free(Store *store, Handle *handle);

#endif
