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

/* The process without which this one should not be; `orphaned` is called, in the thread that waits
 * for signals, when it has died. */
typedef struct {
    pid_t pid;
    void (*orphaned)(void *ctx);
    void *ctx;
} EndSignalParent;

/* To be called by the thread that will run the server. Starts a thread that waits for the signals.
 * parent: NULL for none. */
int end_signal_new(Engine *engine, FuseServer *server, const Options *options,
                   const EndSignalParent *parent, EndSignal **out);

/* Ends the thread. To be called by the same thread, after the server has returned. */
void end_signal_free(EndSignal *end);

#endif
