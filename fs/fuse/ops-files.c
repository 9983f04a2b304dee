#include "base/crash-point.h"
#include "fuse/request.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Open files: reading, writing, and what changes their space on disk. */

int request_open_flags(int flags)
{
    /* The kernel does direct I/O against us; our buffers are not aligned for the source's. It also
     * knows where the end is, and writes pages of a mapping through whatever handle it finds. */
    return flags & ~(O_DIRECT | O_NOCTTY | O_NONBLOCK | O_APPEND);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (virtual_open(req, ino, fi))
        return;
    Caller caller = request_caller(req);
    int r = engine_open(request_engine(req), &caller, ino, request_open_flags(fi->flags), &fi->fh);
    fi->keep_cache = request_server(req)->options.keep_cache;
    reply_open(req, r, fi);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (virtual_release(req, ino, fi))
        return;
    engine_close(request_engine(req), fi->fh);
    reply_error(req, 0);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    int fd = engine_handle_fd(request_engine(req), fi->fh);
    int r = virtual_node_is(ino) ? 0 : fd < 0 ? fd : close(dup(fd)) == 0 ? 0 : -errno;
    reply_error(req, r);
}

static void run_read(OffloadJob *job)
{
    g_autofree char *data = g_malloc(job->size);
    ssize_t n = pread(job->fd, data, job->size, job->offset);
    reply_data(job->req, n < 0 ? -errno : n, data);
}

static bool ends_at(int fd, off_t offset)
{
    struct stat st;
    return fstat(fd, &st) == 0 && offset >= st.st_size;
}

/* What is in the page cache is answered at once; what must come from the disk does not hold up the
 * others. */
static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    if (virtual_read(req, ino, size, offset, fi))
        return;
    int fd = engine_handle_fd(request_engine(req), fi->fh);
    if (fd < 0) {
        reply_error(req, fd);
        return;
    }
    char *data = request_server(req)->io;
    if (size > REQUEST_IO_SIZE)
        size = REQUEST_IO_SIZE;
    struct iovec iov = {data, size};
    ssize_t n = preadv2(fd, &iov, 1, offset, RWF_NOWAIT);
    if (n < 0 && errno == EOPNOTSUPP)
        n = pread(fd, data, size, offset);
    else if ((n < 0 && errno == EAGAIN) ||
             (n > 0 && (size_t)n < size && !ends_at(fd, offset + n))) {
        /* A short count that is not the end of the file is the end of what is cached. */
        offload(req, &(OffloadJob){.run = run_read, .fd = fd, .offset = offset, .size = size});
        return;
    }
    reply_data(req, n < 0 ? -errno : n, data);
}

/* Where the source changes behind the mount, only the source knows where the end is. */
static bool is_append(fuse_req_t req, const struct fuse_file_info *fi)
{
    return (fi->flags & O_APPEND) && !fi->writepage && !request_server(req)->options.keep_cache;
}

static ssize_t write_data(fuse_req_t req, const char *data, size_t size, off_t offset,
                          const struct fuse_file_info *fi)
{
    Engine *engine = request_engine(req);
    Caller caller = request_caller(req);
    if (is_append(req, fi))
        return engine_append(engine, &caller, fi->fh, data, size);
    int fd = fi->writepage ? engine_handle_fd(engine, fi->fh)
                           : engine_handle_fd_to_write(engine, &caller, fi->fh);
    ssize_t n = fd < 0 ? fd : pwrite(fd, data, size, offset);
    return fd >= 0 && n < 0 ? -errno : n;
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
    if (virtual_write(req, ino, data, size, fi))
        return;
    ssize_t n = write_data(req, data, size, offset, fi);
    CRASH_POINT("written");
    reply_count(req, n);
}

static void run_sync(OffloadJob *job)
{
    int r = job->mode ? fdatasync(job->fd) : fsync(job->fd);
    reply_error(job->req, r < 0 ? -errno : 0);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    int fd = engine_handle_fd(request_engine(req), fi->fh);
    if (fd < 0)
        reply_error(req, fd);
    else
        offload(req, &(OffloadJob){.run = run_sync, .fd = fd, .mode = datasync});
}

static void run_fallocate(OffloadJob *job)
{
    int r = fallocate(job->fd, job->mode, job->offset, (off_t)job->size);
    reply_error(job->req, r < 0 ? -errno : 0);
}

/* What moves content along the file cannot be done twice; the kernel does not ask for it today. */
#define FALLOCATE_REPEATABLE (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                         struct fuse_file_info *fi)
{
    Caller caller = request_caller(req);
    int fd = mode & ~FALLOCATE_REPEATABLE
                 ? -EOPNOTSUPP
                 : engine_handle_fd_to_write(request_engine(req), &caller, fi->fh);
    if (fd < 0)
        reply_error(req, fd);
    else
        offload(req, &(OffloadJob){.run = run_fallocate,
                                   .fd = fd,
                                   .mode = mode,
                                   .offset = offset,
                                   .size = (size_t)length,
                                   .changes = true,
                                   .caller = caller});
}

static void run_copy(OffloadJob *job)
{
    ssize_t n = copy_file_range(job->fd, &job->offset, job->fd_out, &job->offset_out, job->size,
                                (unsigned)job->mode);
    reply_count(job->req, n < 0 ? -errno : n);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
                               struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
                               struct fuse_file_info *fi_out, size_t len, int flags)
{
    Caller caller = request_caller(req);
    int in = engine_handle_fd(request_engine(req), fi_in->fh);
    int out = engine_handle_fd_to_write(request_engine(req), &caller, fi_out->fh);
    if (in < 0 || out < 0)
        reply_error(req, in < 0 ? in : out);
    else
        offload(req, &(OffloadJob){.run = run_copy,
                                   .fd = in,
                                   .offset = off_in,
                                   .fd_out = out,
                                   .offset_out = off_out,
                                   .size = len,
                                   .mode = flags,
                                   .changes = true,
                                   .caller = caller});
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
                     struct fuse_file_info *fi)
{
    int fd = engine_handle_fd(request_engine(req), fi->fh);
    off_t r = fd < 0 ? fd : lseek(fd, offset, whence);
    reply_offset(req, fd >= 0 && r < 0 ? -errno : r);
}

void ops_add_files(struct fuse_lowlevel_ops *ops, bool flush)
{
    ops->open = op_open;
    ops->release = op_release;
    ops->flush = flush ? op_flush : NULL;
    ops->read = op_read;
    ops->write = op_write;
    ops->fsync = op_fsync;
    ops->fallocate = op_fallocate;
    ops->copy_file_range = op_copy_file_range;
    ops->lseek = op_lseek;
}
