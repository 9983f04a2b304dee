/* SIGTERM, SIGINT and SIGHUP end the mount: it is taken out of the namespace, then the engine's
 * thread is stopped, and then the server. */
#ifndef LOCKFS_DAEMON_END_SIGNAL_H
#define LOCKFS_DAEMON_END_SIGNAL_H

#include "daemon/options.h"
#include "fuse/server.h"

typedef struct EndSignal EndSignal;

/* From here on the signals wait for end_signal_new(). To be called before there is a mount, which
 * a signal would leave behind broken. */
void end_signal_hold(void);

/* To be called by the thread that will run the server. Starts a thread that waits for the signals.
 */
int end_signal_new(Engine *engine, FuseServer *server, const Options *options, EndSignal **out);

/* Ends the thread. To be called by the same thread, after the server has returned. */
void end_signal_free(EndSignal *end);

#endif
