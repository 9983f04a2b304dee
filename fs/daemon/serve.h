/* One mount from its beginning to its end. */
#ifndef LOCKFS_DAEMON_SERVE_H
#define LOCKFS_DAEMON_SERVE_H

#include "daemon/options.h"

/* Returns the exit status. */
int serve_mount(const Options *options);

/* Goes on with a mount that another program began (see resume.h). check: only says whether it
 * could, by its exit status. */
int serve_resumed(int argc, char **argv, int state, bool check);

#endif
