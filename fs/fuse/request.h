/* What the adapters share: who asks, and the one way to answer. */
#ifndef LOCKFS_FUSE_REQUEST_H
#define LOCKFS_FUSE_REQUEST_H

#define FUSE_USE_VERSION 312

#include "control/control.h"
#include "fuse/request-store.h"
#include "fuse/server.h"

#include <fuse_lowlevel.h>

struct FuseServer {
    Engine *engine;
    Control *control;
    FuseServerOptions options;
    struct fuse_session *session;
    int fd;
    RequestStore *requests;
    char *buffer; /* the request being served; in the state file */
    size_t buffer_size;
    bool inline_jobs; /* nothing goes to the pool: the answer is wanted before the next step */
    unsigned resent;  /* requests that the kernel gave out once more, not told of yet */
    bool swallow;     /* answers are not for the kernel, which has them already */
    char *io;         /* for replies with data, of the serving thread */
    GThreadPool *pool;
    uint32_t kernel_flags; /* what INIT offered */
    bool initializing;     /* the request being served is INIT */
    gint ending;           /* atomic */
};

static inline FuseServer *request_server(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

static inline Control *request_control(fuse_req_t req)
{
    return request_server(req)->control;
}

static inline Engine *request_engine(fuse_req_t req)
{
    return request_server(req)->engine;
}

Caller request_caller(fuse_req_t req);

/* Flags of open(2) for the source, from those of the caller. */
int request_open_flags(int flags);

/* --- replies: the only calls of fuse_reply_* --- */

/* error: 0 or negative errno. */
void reply_error(fuse_req_t req, int error);
void reply_entry(fuse_req_t req, int error, const Entry *entry);
void reply_attr(fuse_req_t req, int error, const Entry *entry);
void reply_create(fuse_req_t req, int error, const Entry *entry, struct fuse_file_info *fi);
void reply_open(fuse_req_t req, int error, const struct fuse_file_info *fi);

/* n: bytes or negative errno. */
void reply_data(fuse_req_t req, ssize_t n, const char *data);
void reply_count(fuse_req_t req, ssize_t n);
void reply_readlink(fuse_req_t req, const char *target);
void reply_statfs(fuse_req_t req, int error, const struct statvfs *st);

/* For getxattr and listxattr: size 0 asks how much there is. */
void reply_xattr(fuse_req_t req, ssize_t n, const char *data, size_t size);
void reply_offset(fuse_req_t req, off_t offset);
void reply_poll(fuse_req_t req, unsigned revents);
void reply_none(fuse_req_t req);

/* Keeps the answer if it is that of the request being served, and sends it. */
ssize_t fuse_server_send(FuseServer *server, struct iovec *iov, int count);

/* Serves what is in the buffer. again: see engine_request_begin(). */
void fuse_server_serve(FuseServer *server, size_t size, bool again);

struct fuse_entry_param reply_param(const Entry *entry);

/* --- the pool --- */

typedef struct OffloadJob OffloadJob;

/* One blocking call to be made in the pool, and its answer. */
struct OffloadJob {
    void (*run)(OffloadJob *job); /* answers job->req */
    fuse_req_t req;
    int fd, fd_out;
    off_t offset, offset_out;
    size_t size;
    int mode;
    struct fuse_file_info fi; /* of an open to be answered */
    bool changes;             /* the content, so it is done as the caller */
    Caller caller;            /* then */
    unsigned copy;            /* of the request, in the state file */
};

/* Copies the job. */
void offload(fuse_req_t req, const OffloadJob *job);
void offload_run(gpointer data, gpointer user);

/* --- the families of operations: each file fills in its own --- */

void ops_add_names(struct fuse_lowlevel_ops *ops);
void ops_add_attributes(struct fuse_lowlevel_ops *ops);
void ops_add_files(struct fuse_lowlevel_ops *ops, bool flush);
void ops_add_directories(struct fuse_lowlevel_ops *ops);
void ops_add_xattrs(struct fuse_lowlevel_ops *ops);

/* Virtual files (control/): each returns true when the request was about one, and has answered it
 * or will. */
bool virtual_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
bool virtual_getattr(fuse_req_t req, fuse_ino_t ino);
bool virtual_access(fuse_req_t req, fuse_ino_t ino, int mask);
bool virtual_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
bool virtual_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                  struct fuse_file_info *fi);
bool virtual_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
                   struct fuse_file_info *fi);
bool virtual_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
bool virtual_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
bool virtual_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus);
bool virtual_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);

/* Nothing is made, removed or renamed in `.lockfs`. */
bool virtual_forbids(fuse_req_t req, fuse_ino_t dir);

void virtual_add(struct fuse_lowlevel_ops *ops);

/* Tells the kernel that a poll of `events` may be asked again. ctx: FuseServer. */
void virtual_wake(void *ctx, uint64_t poll_handle);

/* Also serves directories. */
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

/* FUSE_TMPFILE, which libfuse 3.14 does not decode: the whole request as it came. */
bool raw_handles(uint32_t opcode);
void raw_serve(FuseServer *server, const char *request, size_t size);

#endif
