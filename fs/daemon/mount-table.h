/* /proc/self/mountinfo, as far as it is asked. */
#ifndef LOCKFS_DAEMON_MOUNT_TABLE_H
#define LOCKFS_DAEMON_MOUNT_TABLE_H

#include <sys/types.h>

/* The type of the filesystem with this device number ("fuse.lockfs"); NULL: not found. Free with
 * g_free(). */
char *mount_table_type(dev_t dev);

/* The same on a text. */
char *mount_table_type_in(const char *text, dev_t dev);

/* The type of what is mounted at exactly this path, uppermost; NULL: nothing is. */
char *mount_table_type_at(const char *path);
char *mount_table_type_at_in(const char *text, const char *path);

#endif
