/* The FUSE side: takes requests from the kernel, gives them to the engine, sends the answers.
 *
 * One thread reads and serves requests (see docs/architecture.md for why). What may block on the
 * source's disk — a sync, an allocation, a read that is not in the page cache — goes to a small
 * pool and is answered from there.
 *
 * The descriptor of /dev/fuse is the caller's, mounted already. The session is ours: libfuse
 * encodes and decodes, and its reads and writes go through functions of ours, so that a later
 * worker can take over a running connection.
 */
#ifndef LOCKFS_FUSE_SERVER_H
#define LOCKFS_FUSE_SERVER_H

#include "control/control.h"
#include "engine/engine.h"

typedef struct FuseServer FuseServer;

typedef struct {
    bool allow_other; /* let the kernel check permissions; offer ACLs */
    bool debug;
    bool keep_cache;               /* the source changes only through us */
    const ControlUpgrade *upgrade; /* NULL: another program cannot take over */
    bool flush;                    /* the source reports errors at close (network) */
} FuseServerOptions;

int fuse_server_new(Engine *engine, int fd, const FuseServerOptions *options, FuseServer **out);
void fuse_server_free(FuseServer *server);

/* What a takeover did, for the log. */
typedef struct {
    bool resent;    /* the kernel was asked for what the dead process had not answered */
    unsigned again; /* requests run again from their copies */
    bool answered;  /* an answer that was ready was sent */
    bool given_up;  /* a request that was served at too many deaths was answered with EIO */
} FuseTakeover;

/* Goes on where a process that died left off, on tables that engine_recover() has put right:
 * nothing that the kernel waits for is lost, and nothing is done twice. Before engine_start(). */
void fuse_server_take_over(FuseServer *server, JournalPhase phase, FuseTakeover *result);

/* Serves until the filesystem is unmounted (0), fuse_server_end() (0), or an error (negative
 * errno). */
int fuse_server_run(FuseServer *server);

/* Makes fuse_server_run() return; async-signal-safe. A read under way must be interrupted by a
 * signal as well. */
void fuse_server_end(FuseServer *server);

/* EngineHooks.tell_removed for this connection. */
void fuse_server_tell_removed(FuseServer *server, uint64_t dir_id, uint64_t node_id,
                              const char *name);

#endif
