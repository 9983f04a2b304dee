#include "store/source.h"

#include "base/fd.h"
#include "store/act.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define XATTR_PATH_SIZE (REACH_PROC_PATH + 256)

int source_stat(Store *store, Node *node, const Handle *handle, struct stat *st)
{
    if (handle)
        return fstat(handle->fd, st) == 0 ? 0 : -errno;
    Place place;
    int r = reach_place(store, node, &place);
    if (r < 0)
        return r;
    creds_as_daemon(store->creds);
    if (fstatat(place.fd, place.name, st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0)
        return errno == ENOENT ? -ESTALE : -errno;
    return st->st_ino == node->ino && st->st_dev == node->dev ? 0 : -ESTALE;
}

static int change_owner(Store *store, const Caller *caller, int fd, const SourceChange *change)
{
    int r;
    AS_CALLER(store->creds, caller, r,
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

static int change_size(Store *store, const Caller *caller, const Handle *handle, const char *path,
                       off_t size)
{
    if (handle)
        return ftruncate(handle->fd, size) == 0 ? 0 : -errno;
    int r;
    AS_CALLER(store->creds, caller, r, truncate(path, size));
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
    /* The owner first: changing it clears set-id bits, which a mode given with it sets again. */
    if (change->set_uid || change->set_gid)
        r = change_owner(store, caller, fd, change);
    if (r == 0 && change->set_mode)
        r = change_mode(store, caller, path, change->mode);
    if (r == 0 && change->set_size)
        r = change_size(store, caller, handle, path, change->size);
    if (r == 0 && (change->set_atime || change->set_mtime))
        r = change_times(store, caller, fd, change);
    return r;
}

int source_open(Store *store, const Caller *caller, Node *node, int flags)
{
    bool reads = (flags & O_ACCMODE) == O_RDONLY && !(flags & O_TRUNC);
    Caller who = reads ? creds_reader(store->creds, caller) : *caller;
    int fd = -1, r;
    if (!store_has_room(store))
        return -EMFILE;
    for (int tries = 0; tries < 2; tries++) {
        Place place;
        r = reach_place(store, node, &place);
        if (r < 0)
            return r;
        AS_CALLER(store->creds, &who, r,
                  (fd = reach_open(store, node, &place, flags), errno = fd < 0 ? -fd : 0, fd));
        if ((r != -EMFILE && r != -ENFILE) || !store_shrink(store))
            break;
    }
    return r < 0 ? r : fd;
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
    AS_CALLER(store->creds, caller, r,
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

/* There are no *at() calls for extended attributes; a path through /proc/self/fd is one, and the
 * l-calls do not follow its last component when that is a name. *follow: the path ends at the
 * descriptor itself. */
static int xattr_path(Store *store, Node *node, char path[XATTR_PATH_SIZE], int *own, bool *follow)
{
    Place place;
    int r = reach_place(store, node, &place);
    if (r < 0)
        return r;
    if (!store->in_place && place.name[0]) {
        r = *own = reach_open_path(store, node);
        if (r < 0)
            return r;
        place = (Place){r, ""};
    }
    *follow = place.name[0] == '\0';
    snprintf(path, XATTR_PATH_SIZE, *follow ? "/proc/self/fd/%d%s" : "/proc/self/fd/%d/%s",
             place.fd, place.name);
    return 0;
}

ssize_t source_getxattr(Store *store, const Caller *caller, Node *node, const char *name,
                        void *value, size_t size)
{
    char path[XATTR_PATH_SIZE];
    AUTO_FD int own = -1;
    bool follow;
    ssize_t n = 0;
    int r = xattr_path(store, node, path, &own, &follow);
    if (r < 0)
        return r;
    Caller who = creds_reader(store->creds, caller);
    AS_CALLER(store->creds, &who, r,
              n = follow ? getxattr(path, name, value, size) : lgetxattr(path, name, value, size));
    return r < 0 ? r : n;
}

ssize_t source_listxattr(Store *store, const Caller *caller, Node *node, char *list, size_t size)
{
    char path[XATTR_PATH_SIZE];
    AUTO_FD int own = -1;
    bool follow;
    ssize_t n = 0;
    int r = xattr_path(store, node, path, &own, &follow);
    if (r < 0)
        return r;
    Caller who = creds_reader(store->creds, caller);
    AS_CALLER(store->creds, &who, r,
              n = follow ? listxattr(path, list, size) : llistxattr(path, list, size));
    return r < 0 ? r : n;
}

static bool xattr_exists(const char *path, const char *name, bool follow)
{
    return (follow ? getxattr(path, name, NULL, 0) : lgetxattr(path, name, NULL, 0)) >= 0;
}

int source_setxattr(Store *store, const Caller *caller, Node *node, const char *name,
                    const void *value, size_t size, int flags)
{
    char path[XATTR_PATH_SIZE];
    AUTO_FD int own = -1;
    bool follow;
    int r = xattr_path(store, node, path, &own, &follow);
    if (r < 0)
        return r;
    if (act_begin_xattr(store, node, name, xattr_exists(path, name, follow), &r, &flags))
        return r;
    AS_CALLER(store->creds, caller, r,
              follow ? setxattr(path, name, value, size, flags)
                     : lsetxattr(path, name, value, size, flags));
    return act_done(store, r);
}

int source_removexattr(Store *store, const Caller *caller, Node *node, const char *name)
{
    char path[XATTR_PATH_SIZE];
    AUTO_FD int own = -1;
    bool follow;
    int r = xattr_path(store, node, path, &own, &follow);
    if (r < 0)
        return r;
    if (act_begin_xattr(store, node, name, xattr_exists(path, name, follow), &r, NULL))
        return r;
    AS_CALLER(store->creds, caller, r, follow ? removexattr(path, name) : lremovexattr(path, name));
    return act_done(store, r);
}
