/* Messages to a service manager, as sd_notify(3) describes them: datagrams to $NOTIFY_SOCKET.
 *
 * Each opens a socket of its own and closes it, so nothing stays open in the table of descriptors
 * that keeper and worker share. Without a manager nothing happens. A message that cannot be
 * delivered is lost: the manager's state is never what lockfs works by.
 */
#ifndef LOCKFS_DAEMON_NOTIFY_H
#define LOCKFS_DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

bool notify_is_wanted(void);

/* The manager in the environment is not one of this process. */
void notify_disown(void);

/* "NAME=VALUE" lines. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The manager keeps a copy of fd under that name, and hands it to the next process of the service.
 * watched: until it polls as broken. */
void notify_store(const char *name, int fd, bool watched);
void notify_drop(const char *name);

/* How long the manager goes without a sign of life from this process; 0: for ever. */
int64_t notify_watchdog_ns(void);

#endif
