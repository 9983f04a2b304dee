/* Getting at the source, and putting the mount over it. */
#ifndef LOCKFS_DAEMON_MOUNT_H
#define LOCKFS_DAEMON_MOUNT_H

#include "daemon/options.h"

typedef struct {
    int root; /* the source directory */
    int lock; /* held while the source is served; -1 for memory */
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
void mount_detach(const Options *options);

#endif
