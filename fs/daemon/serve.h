/* One mount from its beginning to its end. */
#ifndef LOCKFS_DAEMON_SERVE_H
#define LOCKFS_DAEMON_SERVE_H

#include "daemon/options.h"
#include "daemon/service.h"

/* Returns the exit status. */
int serve_mount(const Options *options);

/* Goes on with a mount that another program began (see resume.h). check: only says whether it
 * could, by its exit status. */
int serve_resumed(int argc, char **argv, int state, bool check);

/* Goes on with a mount whose descriptors the service manager has kept. false: that cannot be; they
 * are given up, the mount is taken away, and another one may begin. */
bool serve_given(int argc, char **argv, ServiceFds *fds, int *status);

#endif
