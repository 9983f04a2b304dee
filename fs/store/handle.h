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

/* Takes the descriptor and a pin on the node. opener: the thread it is for. The handle's number
 * goes to *fh; NULL: no memory, and the descriptor is still the caller's. */
Handle *handle_new(Store *store, Node *node, int fd, pid_t opener, uint64_t *fh);

/* Closes. */
void handle_free(Store *store, Handle *handle);

#endif
