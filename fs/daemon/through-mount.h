/* Our own mount, seen from outside: how the reaper takes entries away so that watchers notice. */
#ifndef LOCKFS_DAEMON_THROUGH_MOUNT_H
#define LOCKFS_DAEMON_THROUGH_MOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    const char *mountpoint;
    dev_t dev;        /* of the mounted filesystem; 0 until known */
    uint32_t *inside; /* names the thread that is inside the mount; NULL: nobody asks */
} ThroughMount;

/* EngineHooks.remove_through_mount with a ThroughMount. Opens the directory for the moment only,
 * because a descriptor kept on a mount keeps it from being unmounted; never leaves the mount and
 * follows no symbolic link. -ENXIO: another filesystem stands at the mount point, as seen from
 * here. One thread at a time. */
int through_mount_remove(void *ctx, const char *dir_path, const char *name, bool is_dir);

#endif
