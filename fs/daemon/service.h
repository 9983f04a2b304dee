/* A mount under a service manager (systemd's Type=notify): what is told, what is kept there.
 *
 * With the manager are kept the connection to the kernel, the state file and the source. With those
 * a mount goes on when keeper and worker were both killed: the manager starts the service again and
 * hands them over.
 *
 * Only the keeper speaks: it is the service's main process. In the background nothing is said: who
 * starts lockfs there is not the manager, whose socket it may have inherited.
 */
#ifndef LOCKFS_DAEMON_SERVICE_H
#define LOCKFS_DAEMON_SERVICE_H

#include <stdbool.h>

/* source: MountSource.lock. -1: not there. */
typedef struct {
    int connection, state, source;
} ServiceFds;

/* What the manager handed to this process, close-on-exec; and removes it from the environment.
 * false: nothing that a mount could go on with. */
bool service_given(ServiceFds *fds);

/* Is the mount of this connection still there? */
bool service_is_mounted(const ServiceFds *fds);

/* Closes them, also at the manager. */
void service_give_up(ServiceFds *fds);

/* The mount is there. Stores the descriptors. moved: this process may not be the one that the
 * manager has started. */
void service_ready(const ServiceFds *fds, const char *mountpoint, bool moved);

/* Another worker serves. */
void service_replaced(const char *mountpoint, unsigned workers, const char *cause);

/* The mount is going to end. */
void service_ending(void);

/* It has ended: nothing is to be kept. source: as in ServiceFds. */
void service_ended(int source);

#endif
