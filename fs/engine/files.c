#include "engine/engine.h"
#include "engine/entry.h"
#include "engine/guard.h"
#include "engine/life.h"
#include "engine/observed.h"
#include "engine/reserved.h"
#include "engine/unpacked.h"
#include "engine/waiters.h"

#include "base/fd.h"

#include <fcntl.h>

#define WITH_NODE(engine, id, result, call)                                                        \
    do {                                                                                           \
        engine_lock(engine);                                                                       \
        Node *node = node_by_id(&(engine)->store, id);                                             \
        result = node ? (call) : -ESTALE;                                                          \
        engine_unlock(engine);                                                                     \
    } while (0)

/* An entry that is gone from the source but whose record waits to be shown to the watchers. */
static void stat_shadow(const Node *node, struct stat *st)
{
    *st = (struct stat){.st_mode = node->mode, .st_ino = node->ino, .st_nlink = 0};
}

static int get_attributes(Engine *engine, const Caller *caller, Node *node, uint64_t fh,
                          Entry *entry)
{
    const Handle *handle = fh ? handle_by_id(&engine->store, fh) : NULL;
    if (node->claim && caller)
        waiters_cancel(engine, caller, node);
    int r = source_stat(&engine->store, node, handle, &entry->attr);
    if (r == -ESTALE && !node->parent && !handle_is_lost(&engine->store, node)) {
        stat_shadow(node, &entry->attr);
        r = 0;
    }
    if (r == 0) {
        node_note(node, &entry->attr);
        entry_dress(engine, caller, node, entry);
    }
    return r;
}

int engine_getattr(Engine *engine, const Caller *caller, uint64_t id, uint64_t fh, Entry *entry)
{
    int r;
    WITH_NODE(engine, id, r, get_attributes(engine, caller, node, fh, entry));
    return r;
}

static int set_attributes(Engine *engine, const Caller *caller, Node *node, uint64_t fh,
                          const SourceChange *change, Entry *entry)
{
    const Handle *handle = fh ? handle_by_id(&engine->store, fh) : NULL;
    int r = handle ? guard_handle(engine, caller, node, handle->token)
                   : guard_alter(engine, caller, node);
    if (r == 0)
        r = source_change(&engine->store, caller, node, handle, change);
    if (r == 0 && change->set_mtime && node->claim)
        unpacked_note_time(engine, caller, node, &change->times[1]);
    return r < 0 ? r : get_attributes(engine, caller, node, fh, entry);
}

int engine_setattr(Engine *engine, const Caller *caller, uint64_t id, uint64_t fh,
                   const SourceChange *change, Entry *entry)
{
    int r;
    WITH_NODE(engine, id, r, set_attributes(engine, caller, node, fh, change, entry));
    return r;
}

static bool wants_to_write(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static int open_node(Engine *engine, const Caller *caller, Node *node, int flags, uint64_t *fh)
{
    if (node->claim)
        waiters_cancel(engine, caller, node);
    int r = wants_to_write(flags) ? guard_alter(engine, caller, node) : guard_path(engine, node);
    if (r < 0)
        return r;
    AUTO_FD int fd = source_open(&engine->store, caller, node, flags);
    if (fd < 0)
        return fd;
    Handle *handle = handle_new(&engine->store, node, fd, caller->tid, fh);
    if (!handle)
        return -ENOMEM;
    handle->token = guard_token(engine, node);
    fd_take(&fd);
    observed_opened(engine, caller, node);
    return 0;
}

int engine_open(Engine *engine, const Caller *caller, uint64_t id, int flags, uint64_t *fh)
{
    int r;
    WITH_NODE(engine, id, r, open_node(engine, caller, node, flags, fh));
    return r;
}

void engine_close(Engine *engine, uint64_t fh)
{
    engine_lock(engine);
    Handle *handle = handle_by_id(&engine->store, fh);
    if (handle)
        handle_free(&engine->store, handle);
    engine_unlock(engine);
}

int engine_handle_fd(Engine *engine, uint64_t fh)
{
    engine_lock(engine);
    const Handle *handle = handle_by_id(&engine->store, fh);
    int fd = handle ? handle_fd(handle) : -EBADF;
    engine_unlock(engine);
    return fd;
}

static int fd_to_write(Engine *engine, const Caller *caller, const Handle *handle)
{
    if (!handle)
        return -EBADF;
    const Node *node = node_at(&engine->store, handle->node);
    int r = guard_handle(engine, caller, node, handle->token);
    if (r < 0)
        return r;
    source_write_as(&engine->store, caller, node);
    return handle_fd(handle);
}

int engine_handle_fd_to_write(Engine *engine, const Caller *caller, uint64_t fh)
{
    engine_lock(engine);
    int r = fd_to_write(engine, caller, handle_by_id(&engine->store, fh));
    engine_unlock(engine);
    return r;
}

ssize_t engine_append(Engine *engine, const Caller *caller, uint64_t fh, const void *data,
                      size_t size)
{
    engine_lock(engine);
    const Handle *handle = handle_by_id(&engine->store, fh);
    ssize_t n = fd_to_write(engine, caller, handle);
    if (n >= 0)
        n = source_append(&engine->store, node_at(&engine->store, handle->node), (int)n, data,
                          size);
    engine_unlock(engine);
    return n;
}

ssize_t engine_readlink(Engine *engine, uint64_t id, char *buf, size_t size)
{
    ssize_t n;
    WITH_NODE(engine, id, n, source_readlink(&engine->store, node, buf, size));
    return n;
}

static void only_looks(Engine *engine, const Caller *caller, const Node *node)
{
    if (node->claim)
        waiters_cancel(engine, caller, node);
}

int engine_access(Engine *engine, const Caller *caller, uint64_t id, int mask)
{
    int r;
    WITH_NODE(
        engine, id, r,
        (only_looks(engine, caller, node), source_access(&engine->store, caller, node, mask)));
    return r;
}

int engine_statvfs(Engine *engine, uint64_t id, struct statvfs *st)
{
    int r;
    WITH_NODE(engine, id, r, source_statvfs(&engine->store, node, st));
    return r;
}

ssize_t engine_getxattr(Engine *engine, const Caller *caller, uint64_t id, const char *name,
                        void *value, size_t size)
{
    ssize_t n;
    WITH_NODE(engine, id, n,
              (only_looks(engine, caller, node),
               source_getxattr(&engine->store, caller, node, name, value, size)));
    return n;
}

ssize_t engine_listxattr(Engine *engine, const Caller *caller, uint64_t id, char *list, size_t size)
{
    ssize_t n;
    WITH_NODE(engine, id, n,
              (only_looks(engine, caller, node),
               source_listxattr(&engine->store, caller, node, list, size)));
    return n;
}

static int change_xattr(Engine *engine, const Caller *caller, Node *node, const char *name,
                        const void *value, size_t size, int flags)
{
    int r = reserved_xattr(name) ? -EPERM : guard_alter(engine, caller, node);
    if (r < 0)
        return r;
    return value ? source_setxattr(&engine->store, caller, node, name, value, size, flags)
                 : source_removexattr(&engine->store, caller, node, name);
}

int engine_setxattr(Engine *engine, const Caller *caller, uint64_t id, const char *name,
                    const void *value, size_t size, int flags)
{
    int r;
    WITH_NODE(engine, id, r, change_xattr(engine, caller, node, name, value, size, flags));
    return r;
}

int engine_removexattr(Engine *engine, const Caller *caller, uint64_t id, const char *name)
{
    int r;
    WITH_NODE(engine, id, r, change_xattr(engine, caller, node, name, NULL, 0, 0));
    return r;
}
