#include "store/handle.h"

#include "base/crash-point.h"

#include <fcntl.h>

/* How the file could be opened again, and for whom. */
static void note_opening(const Store *store, Handle *handle, pid_t opener)
{
    if (store->handles.record < sizeof *handle)
        return; /* an older layout, which does not have it */
    handle->flags = fcntl(handle->fd, F_GETFL);
    handle->opener = (uint32_t)opener;
}

Handle *handle_new(Store *store, Node *node, int fd, pid_t opener, uint64_t *fh)
{
    uint32_t index = slot_reserve(&store->handles);
    if (!index)
        return NULL;
    Handle *handle = handle_at(store, index);
    store->handle_fd = handle->fd = fd;
    note_opening(store, handle, opener);
    handle->node = node_index(store, node);
    handle->node_next = node->handles;
    node->handles = index;
    node_pin(node);
    CRASH_POINT("handle-linked");
    slot_publish(&store->handles, index);
    *fh = slot_id(&store->handles, index);
    return handle;
}

void handle_free(Store *store, Handle *handle)
{
    uint32_t index = slot_index(&store->handles, handle);
    Node *node = node_at(store, handle->node);
    uint32_t *link = &node->handles;
    while (*link != index)
        link = &handle_at(store, *link)->node_next;
    *link = handle->node_next;
    CRASH_POINT("handle-unlinked");
    /* The only way left to a file that has lost its name: it stays with the node. */
    if (!node->handles && !node->parent && node->fd < 0 && node->lookups > 1)
        node->fd = handle->fd;
    else
        journal_close(store->journal, handle->fd);
    slot_release(&store->handles, index);
    node_unpin(store, node);
}
