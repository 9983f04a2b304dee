/* Going to the background once the mount is ready, and no sooner. */
#ifndef LOCKFS_DAEMON_BACKGROUND_H
#define LOCKFS_DAEMON_BACKGROUND_H

/* Forks. The parent waits until the child calls background_ready() (and then exits with 0), or ends
 * without (and exits with the child's status). Returns in the child, a new session with its working
 * directory at the root; the result is to be given to background_ready(). */
int background_start(void);

/* Lets the parent go; standard streams go to /dev/null. */
void background_ready(int notify);

#endif
