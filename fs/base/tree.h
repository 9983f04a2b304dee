/* Whole trees by descriptors, never by path: deleting, and how large they are. */
#ifndef LOCKFS_BASE_TREE_H
#define LOCKFS_BASE_TREE_H

#include <stdint.h>

/* Removes `name` in the directory dirfd with all that is below; symbolic links and mount points are
 * not followed. 0 or the first negative errno; goes on with the rest after a failure. A missing
 * name is fine. */
int tree_remove(int dirfd, const char *name);

/* The space on the disk that `name` in the directory dirfd takes with all that is below; symbolic
 * links and mount points are not followed. What cannot be looked at counts as nothing. */
int64_t tree_bytes(int dirfd, const char *name);

#endif
