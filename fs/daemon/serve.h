/* One mount from its beginning to its end. */
#ifndef LOCKFS_DAEMON_SERVE_H
#define LOCKFS_DAEMON_SERVE_H

#include "daemon/options.h"

/* Returns the exit status. */
int serve_mount(const Options *options);

#endif
