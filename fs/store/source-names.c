#include "store/source.h"

#include "base/fd.h"
#include "store/act.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int source_stat_at(Store *store, Node *dir, const char *name, struct stat *st)
{
    int fd = reach_dir(store, dir), r;
    if (fd < 0)
        return fd;
    creds_as_daemon(store->creds);
    if (store->replaying && act_view(store, dir, name, st, &r))
        return r;
    if (fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW) != 0)
        return -errno;
    act_note_seen(store, dir, name, st);
    return 0;
}

/* The set-group-id bit is quietly dropped from what somebody makes who is not of the group. */
static bool needs_groups(mode_t mode)
{
    return mode & S_ISGID;
}

int source_mkdir(Store *store, const Caller *caller, Node *dir, const char *name, mode_t mode)
{
    int fd = reach_dir(store, dir), r;
    if (fd < 0)
        return fd;
    if (act_begin(store, ACT_OP_MKDIR, 0, dir, name, &r))
        return r;
    creds_set_umask(store->creds, caller->umask);
    AS_CALLER(store->creds, caller, r, mkdirat(fd, name, mode));
    return act_done(store, r);
}

int source_mknod(Store *store, const Caller *caller, Node *dir, const char *name, mode_t mode,
                 dev_t rdev)
{
    int fd = reach_dir(store, dir), r;
    if (fd < 0)
        return fd;
    if (act_begin(store, ACT_OP_MKNOD, 0, dir, name, &r))
        return r;
    creds_set_umask(store->creds, caller->umask);
    AS_CALLER_WITH_GROUPS(store->creds, caller, needs_groups(mode), r,
                          mknodat(fd, name, mode, rdev));
    return act_done(store, r);
}

int source_symlink(Store *store, const Caller *caller, const char *target, Node *dir,
                   const char *name)
{
    int fd = reach_dir(store, dir), r;
    if (fd < 0)
        return fd;
    if (act_begin(store, ACT_OP_SYMLINK, 0, dir, name, &r))
        return r;
    AS_CALLER(store->creds, caller, r, symlinkat(target, fd, name));
    return act_done(store, r);
}

/* A node that has lost its name is linked through its descriptor (O_TMPFILE and then linkat). */
static int link_descriptor(Store *store, const Caller *caller, int from, int dir_fd,
                           const char *name)
{
    char path[REACH_PROC_PATH];
    int r;
    reach_proc_path(path, from);
    AS_CALLER(store->creds, caller, r, linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW));
    return r;
}

/* The directory that the file is known in may be closed to a caller who came by another of its
 * names.
 */
static int link_directly(Store *store, const Caller *caller, Node *node, Node *dir,
                         const char *name)
{
    AUTO_FD int from = reach_open_path(store, node);
    int fd = reach_dir(store, dir);
    if (from < 0 || fd < 0)
        return from < 0 ? from : fd;
    return link_descriptor(store, caller, from, fd, name);
}

int source_link(Store *store, const Caller *caller, Node *node, Node *dir, const char *name)
{
    Place from;
    Node *parent = node->fd < 0 ? node_parent(store, node) : NULL;
    Node *dirs[] = {parent ? parent : dir, dir};
    int fds[2];
    int r = reach_dirs(store, dirs, fds);
    if (r < 0 || (r = reach_place(store, node, &from)) < 0)
        return r;
    if (act_begin(store, ACT_OP_LINK, 0, dir, name, &r))
        return r;
    if (from.name[0] == '\0')
        return act_done(store, link_descriptor(store, caller, from.fd, fds[1], name));
    AS_CALLER(store->creds, caller, r, linkat(from.fd, from.name, fds[1], name, 0));
    if (r == -EACCES && !S_ISLNK(node->mode))
        r = link_directly(store, caller, node, dir, name);
    return act_done(store, r);
}

int source_create(Store *store, const Caller *caller, Node *dir, const char *name, int flags,
                  mode_t mode)
{
    int dir_fd = store_has_room(store) ? reach_dir(store, dir) : -EMFILE, r, fd = -1;
    if (dir_fd < 0)
        return dir_fd;
    if (act_begin(store, ACT_OP_CREATE, (unsigned)flags, dir, name, &r))
        return r;
    creds_set_umask(store->creds, caller->umask);
    for (int tries = 0; tries < 2; tries++) {
        AS_CALLER_WITH_GROUPS(
            store->creds, caller, needs_groups(mode), r,
            fd = openat(dir_fd, name, flags | O_CREAT | O_NOFOLLOW | O_CLOEXEC, mode));
        if ((r != -EMFILE && r != -ENFILE) || !store_shrink(store))
            break;
        dir_fd = reach_dir(store, dir);
        if (dir_fd < 0)
            return act_done(store, dir_fd);
    }
    return act_done(store, r < 0 ? r : fd);
}

int source_tmpfile(Store *store, const Caller *caller, Node *dir, int flags, mode_t mode)
{
    int dir_fd = store_has_room(store) ? reach_dir(store, dir) : -EMFILE, r, fd = -1;
    if (dir_fd < 0)
        return dir_fd;
    creds_set_umask(store->creds, caller->umask);
    AS_CALLER_WITH_GROUPS(
        store->creds, caller, needs_groups(mode), r,
        fd = openat(dir_fd, ".", (flags & ~O_CREAT) | O_TMPFILE | O_CLOEXEC, mode));
    return r < 0 ? r : fd;
}

int source_remove(Store *store, const Caller *caller, Node *dir, const char *name, bool is_dir)
{
    int fd = reach_dir(store, dir), r;
    if (fd < 0)
        return fd;
    if (act_begin(store, is_dir ? ACT_OP_RMDIR : ACT_OP_UNLINK, 0, dir, name, &r))
        return r;
    AS_CALLER(store->creds, caller, r, unlinkat(fd, name, is_dir ? AT_REMOVEDIR : 0));
    return act_done(store, r);
}

int source_rename(Store *store, const Caller *caller, Node *dir, const char *name, Node *new_dir,
                  const char *new_name, unsigned flags)
{
    Node *dirs[] = {dir, new_dir};
    int fds[2];
    int r = reach_dirs(store, dirs, fds);
    if (r < 0)
        return r;
    if (act_begin_rename(store, dir, name, new_dir, new_name, flags, &r))
        return r;
    AS_CALLER(store->creds, caller, r,
              (int)syscall(SYS_renameat2, fds[0], name, fds[1], new_name, flags));
    return act_done(store, r);
}
