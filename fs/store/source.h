/* What is done to the source: every operation of the filesystem as *at() calls, none knowing of
 * locks.
 *
 * All return 0 (or a count) or negative errno. Those with a Caller act as that caller, so the
 * source checks the permissions and the object made belongs to whom it should; the others act as
 * the daemon.
 */
#ifndef LOCKFS_STORE_SOURCE_H
#define LOCKFS_STORE_SOURCE_H

#include "store/handle.h"
#include "store/reach.h"

#include <sys/statvfs.h>

/* --- names --- */

int source_stat_at(Store *store, Node *dir, const char *name, struct stat *st);
int source_mkdir(Store *store, const Caller *caller, Node *dir, const char *name, mode_t mode);
int source_mknod(Store *store, const Caller *caller, Node *dir, const char *name, mode_t mode,
                 dev_t rdev);
int source_symlink(Store *store, const Caller *caller, const char *target, Node *dir,
                   const char *name);
int source_link(Store *store, const Caller *caller, Node *node, Node *dir, const char *name);

/* open(2) with O_CREAT among the flags. Returns the descriptor. */
int source_create(Store *store, const Caller *caller, Node *dir, const char *name, int flags,
                  mode_t mode);

/* An unnamed file in a directory. Returns the descriptor. */
int source_tmpfile(Store *store, const Caller *caller, Node *dir, int flags, mode_t mode);

int source_remove(Store *store, const Caller *caller, Node *dir, const char *name, bool is_dir);
int source_rename(Store *store, const Caller *caller, Node *dir, const char *name, Node *new_dir,
                  const char *new_name, unsigned flags);

/* --- files --- */

/* handle may be NULL. */
int source_stat(Store *store, Node *node, const Handle *handle, struct stat *st);

typedef struct {
    bool set_mode, set_uid, set_gid, set_size, set_atime, set_mtime;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    off_t size;
    struct timespec times[2]; /* with UTIME_NOW where asked for; UTIME_OMIT is filled in */
} SourceChange;

int source_change(Store *store, const Caller *caller, Node *node, const Handle *handle,
                  const SourceChange *change);

/* Takes on the caller's identity, as far as the daemon can, for writing to the node through a
 * descriptor: the right to that was settled when it was opened. */
void source_write_as(Store *store, const Caller *caller, const Node *node);

/* Writes to the end of the file through a descriptor of it, as whoever the thread acts as. Bytes or
 * negative errno. */
ssize_t source_append(Store *store, const Node *node, int fd, const void *data, size_t size);

/* Returns the descriptor. */
int source_open(Store *store, const Caller *caller, Node *node, int flags);

ssize_t source_readlink(Store *store, Node *node, char *buf, size_t size);
int source_access(Store *store, const Caller *caller, Node *node, int mask);
int source_statvfs(Store *store, Node *node, struct statvfs *st);

ssize_t source_getxattr(Store *store, const Caller *caller, Node *node, const char *name,
                        void *value, size_t size);
ssize_t source_listxattr(Store *store, const Caller *caller, Node *node, char *list, size_t size);
int source_setxattr(Store *store, const Caller *caller, Node *node, const char *name,
                    const void *value, size_t size, int flags);
int source_removexattr(Store *store, const Caller *caller, Node *node, const char *name);

#endif
