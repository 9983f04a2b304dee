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

#include "engine/engine.h"

typedef struct FuseServer FuseServer;

typedef struct {
    bool allow_other; /* let the kernel check permissions; offer ACLs */
    bool debug;
    bool keep_cache; /* the source changes only through us */
    bool flush;      /* the source reports errors at close (network) */
} FuseServerOptions;

int fuse_server_new(Engine *engine, int fd, const FuseServerOptions *options, FuseServer **out);
void fuse_server_free(FuseServer *server);

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
