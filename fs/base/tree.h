/* Deleting a whole tree by descriptors, never by path. */
#ifndef LOCKFS_BASE_TREE_H
#define LOCKFS_BASE_TREE_H

/* Removes `name` in the directory dirfd with all that is below; symbolic links and mount points are
 * not followed. 0 or the first negative errno; goes on with the rest after a failure. A missing
 * name is fine. */
int tree_remove(int dirfd, const char *name);

#endif
