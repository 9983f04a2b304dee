/* Getting at the source, and putting the mount over it. */
#ifndef LOCKFS_DAEMON_MOUNT_H
#define LOCKFS_DAEMON_MOUNT_H

#include "daemon/options.h"

typedef struct {
    int root; /* the source directory */
    int lock; /* the same, opened to read; locked while it is served, unless it is memory */
    bool network;
    char *scratch; /* directory to remove at the end, where memory is a directory of a tmpfs */
} MountSource;

/* Opens the source, before anything is mounted over it. Refuses one that is served already. false:
 * a message was printed. */
bool mount_open_source(const Options *options, MountSource *source);
void mount_close_source(MountSource *source);

/* Mounts and returns the descriptor of the connection; -1: a message was printed. */
int mount_attach(const Options *options);

/* Takes the mount out of the namespace, also when it is in use. */
void mount_detach(const char *mountpoint);

/* Takes away a lockfs that nobody serves any more. */
void mount_clear_broken(const char *mountpoint);

/* Takes away the lockfs there, if there is one, without asking it anything. */
void mount_clear(const char *mountpoint);

#endif
