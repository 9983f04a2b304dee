#include "store/source.h"

#include "base/fd.h"
#include "store/act.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The kernel's own flag for opening a program to run it; FUSE passes it on. */
#define O_EXECUTE 040

int source_stat(Store *store, Node *node, const Handle *handle, struct stat *st)
{
    if (handle)
        return fstat(handle->fd, st) == 0 ? 0 : handle_errno(handle);
    Place place;
    int r = reach_place(store, node, &place);
    if (r < 0)
        return r;
    creds_as_daemon(store->creds);
    if (fstatat(place.fd, place.name, st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0)
        return errno == ENOENT ? -ESTALE : -errno;
    return st->st_ino == node->ino && st->st_dev == node->dev ? 0 : -ESTALE;
}

/* A set-group-id bit is quietly dropped when somebody changes the file who is not of its group. */
static bool needs_groups(const Node *node)
{
    return node->mode & S_ISGID;
}

void source_write_as(Store *store, const Caller *caller, const Node *node)
{
    if (creds_as_caller(store->creds, caller) == 0 && needs_groups(node))
        creds_add_groups(store->creds, caller);
}

ssize_t source_append(Store *store, const Node *node, int fd, const void *data, size_t size)
{
    struct iovec iov = {(void *)data, size};
    int r;
    if (act_begin_append(store, node, fd, size, &r))
        return r;
    ssize_t n = pwritev2(fd, &iov, 1, -1, RWF_APPEND);
    return act_done(store, n < 0 ? -errno : (int)n);
}

static int change_owner(Store *store, const Caller *caller, const Node *node, int fd,
                        const SourceChange *change)
{
    int r;
    AS_CALLER_WITH_GROUPS(store->creds, caller, needs_groups(node), r,
                          fchownat(fd, "", change->set_uid ? change->uid : (uid_t)-1,
                                   change->set_gid ? change->gid : (gid_t)-1,
                                   AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
    return r;
}

static int change_mode(Store *store, const Caller *caller, const char *path, mode_t mode)
{
    int r;
    /* The set-group-id bit is quietly dropped for somebody who is not of the group. */
    AS_CALLER_WITH_GROUPS(store->creds, caller, mode & S_ISGID, r, chmod(path, mode));
    return r;
}

static int change_size(Store *store, const Caller *caller, const Node *node, const Handle *handle,
                       const char *path, off_t size)
{
    if (handle) {
        source_write_as(store, caller, node);
        return ftruncate(handle->fd, size) == 0 ? 0 : handle_errno(handle);
    }
    int r;
    AS_CALLER_WITH_GROUPS(store->creds, caller, needs_groups(node), r, truncate(path, size));
    return r;
}

/* Through the descriptor, not its /proc path: the latter would follow a symbolic link. */
static int change_times(Store *store, const Caller *caller, int fd, const SourceChange *change)
{
    int r;
    AS_CALLER(store->creds, caller, r,
              (int)syscall(SYS_utimensat, fd, "", change->times, AT_EMPTY_PATH));
    return r;
}

/* chown(2) to nobody in particular, which clears set-id bits; or the kernel's wish, before a write,
 * that they be cleared. The writer need not be the owner, and then it is the write that does it. */
static bool is_empty(const SourceChange *change)
{
    return !(change->set_mode || change->set_uid || change->set_gid || change->set_size ||
             change->set_atime || change->set_mtime);
}

int source_change(Store *store, const Caller *caller, Node *node, const Handle *handle,
                  const SourceChange *change)
{
    AUTO_FD int own = -1;
    int fd = handle ? handle->fd : (own = reach_open_path(store, node));
    if (fd < 0)
        return fd;
    char path[REACH_PROC_PATH];
    reach_proc_path(path, fd);
    int r = 0;
    if (is_empty(change)) {
        r = change_owner(store, caller, node, fd, change);
        return r == -EPERM ? 0 : r;
    }
    /* The owner first: changing it clears set-id bits, which a mode given with it sets again. */
    if (change->set_uid || change->set_gid)
        r = change_owner(store, caller, node, fd, change);
    if (r == 0 && change->set_mode)
        r = change_mode(store, caller, path, change->mode);
    if (r == 0 && change->set_size)
        r = change_size(store, caller, node, handle, path, change->size);
    if (r == 0 && (change->set_atime || change->set_mtime))
        r = change_times(store, caller, fd, change);
    return r;
}

static int open_as(Store *store, const Caller *caller, Node *node, const Place *place, int flags)
{
    bool reads = (flags & O_ACCMODE) == O_RDONLY && !(flags & O_TRUNC);
    Caller who = reads ? creds_reader(store->creds, caller) : *caller;
    int fd = -1, r;
    AS_CALLER_WITH_GROUPS(
        store->creds, &who, (flags & O_TRUNC) && needs_groups(node), r,
        (fd = reach_open(store, node, place, flags), errno = fd < 0 ? -fd : 0, fd));
    return r < 0 ? r : fd;
}

/* The directory that we know the file in may be closed to the caller, who came by another of its
 * names, or has it open already. */
static int open_directly(Store *store, const Caller *caller, Node *node, int flags)
{
    AUTO_FD int fd = reach_open_path(store, node);
    return fd < 0 ? fd : open_as(store, caller, node, &(Place){fd, ""}, flags);
}

/* To execute a file it need not be readable. The kernel has checked what it could; we check again,
 * since not every mount lets it. */
static int open_to_execute(Store *store, const Caller *caller, Node *node, int flags)
{
    int r = source_access(store, caller, node, X_OK);
    Caller self = creds_daemon(store->creds);
    return r < 0 ? r : open_directly(store, &self, node, flags & ~O_EXECUTE);
}

int source_open(Store *store, const Caller *caller, Node *node, int flags)
{
    int r;
    if (!store_has_room(store))
        return -EMFILE;
    for (int tries = 0; tries < 2; tries++) {
        Place place;
        r = reach_place(store, node, &place);
        if (r < 0)
            return r;
        r = open_as(store, caller, node, &place, flags & ~O_EXECUTE);
        if (r == -EACCES && place.name[0])
            r = open_directly(store, caller, node, flags & ~O_EXECUTE);
        if (r == -EACCES && (flags & O_EXECUTE))
            r = open_to_execute(store, caller, node, flags);
        if ((r != -EMFILE && r != -ENFILE) || !store_shrink(store))
            break;
    }
    return r;
}

ssize_t source_readlink(Store *store, Node *node, char *buf, size_t size)
{
    Place place;
    int r = reach_place(store, node, &place);
    if (r < 0)
        return r;
    creds_as_daemon(store->creds);
    ssize_t n = readlinkat(place.fd, place.name, buf, size);
    return n < 0 ? -errno : n;
}

int source_access(Store *store, const Caller *caller, Node *node, int mask)
{
    AUTO_FD int fd = reach_open_path(store, node);
    if (fd < 0)
        return fd;
    int r;
    AS_CALLER_ALONE(store->creds, caller, false, r,
                    (int)syscall(SYS_faccessat2, fd, "", mask,
                                 AT_EACCESS | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
    return r;
}

int source_statvfs(Store *store, Node *node, struct statvfs *st)
{
    AUTO_FD int fd = reach_open_path(store, node);
    if (fd < 0)
        return fd;
    return fstatvfs(fd, st) == 0 ? 0 : -errno;
}
