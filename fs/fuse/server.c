#include "base/crash-point.h"
#include "engine/lasting.h"
#include "fuse/request.h"
#include "store/act.h"

#include "base/clock.h"

#include <linux/fuse.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Answers up to this size are put together before they are written. */
#define SMALL_REPLY 256

/* Threads for calls that wait for a disk. */
#define POOL_THREADS 8

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    FuseServer *server = userdata;
    unsigned want = FUSE_CAP_DONT_MASK | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_PARALLEL_DIROPS |
                    FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ASYNC_DIO |
                    FUSE_CAP_ASYNC_READ;
    /* A new mtime does not mean new content where nobody but the kernel's own writers can be it. */
    want |= server->options.keep_cache ? FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_CACHE_SYMLINKS
                                       : FUSE_CAP_AUTO_INVAL_DATA;
    if (!(server->kernel_flags & FUSE_HANDLE_KILLPRIV_V2))
        want |= FUSE_CAP_HANDLE_KILLPRIV;
    if (server->options.allow_other)
        want |= FUSE_CAP_POSIX_ACL;
    conn->want = want & conn->capable;
    conn->max_write = MIN(conn->max_write, REQUEST_IO_SIZE);
}

/* Set-id bits are the source's to clear, for who writes as who. */
static uint32_t set_id_flags(const FuseServer *server)
{
    return server->kernel_flags & FUSE_HANDLE_KILLPRIV_V2;
}

/* libfuse 3.14 decides on PARALLEL_DIROPS and forgets to tell the kernel; of the later way to have
 * set-id bits cleared, which spares the kernel a question with every write, it does not know. */
static void amend_init_reply(FuseServer *server, const struct iovec *iov, int count)
{
    if (count < 2 || iov[1].iov_len < 24)
        return;
    struct fuse_init_out *out = iov[1].iov_base;
    out->flags |= (server->kernel_flags & FUSE_PARALLEL_DIROPS) | set_id_flags(server);
}

/* The kernel pins the pages that an answer lies in; nearly all fit into one. (The system calls are
 * made directly, here and for reading, because the C library's are cancellation points, which cost
 * more in a process with threads.) */
static ssize_t write_small(int fd, const struct iovec *iov, int count, size_t total)
{
    char reply[SMALL_REPLY] __attribute__((aligned(SMALL_REPLY)));
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        memcpy(reply + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    return syscall(SYS_write, fd, reply, total);
}

/* An answer that only repeats what the source says need not be kept: the request can be run again.
 */
static bool needs_keeping(const struct fuse_in_header *in)
{
    return in->opcode != FUSE_READ && in->opcode != FUSE_READDIR;
}

static void keep_answer(FuseServer *server, const struct iovec *iov, int count)
{
    const struct fuse_in_header *in = (const void *)server->buffer;
    const struct fuse_out_header *out = iov[0].iov_base;
    if (!engine_in_request(server->engine) || out->unique != in->unique)
        return; /* of the pool, or no answer */
    CRASH_POINT("answering");
    act_forsake(&server->engine->store);
    if (needs_keeping(in))
        journal_answer(&server->engine->journal, iov, count);
    else
        journal_pass(&server->engine->journal);
}

ssize_t fuse_server_send(FuseServer *server, struct iovec *iov, int count)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += iov[i].iov_len;
    if (server->swallow)
        return (ssize_t)total;
    if (server->initializing)
        amend_init_reply(server, iov, count);
    keep_answer(server, iov, count);
    ssize_t n = total <= SMALL_REPLY ? write_small(server->fd, iov, count, total)
                                     : syscall(SYS_writev, server->fd, iov, count);
    CRASH_POINT("answered");
    if (server->initializing && n >= 0)
        server->requests->init_answered = 1;
    return n;
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
    return fuse_server_send(userdata, iov, count);
}

static ssize_t io_read(int fd, void *buf, size_t size, void *userdata)
{
    return read(fd, buf, size);
}

static void note_init(FuseServer *server, const char *request, size_t size)
{
    struct fuse_init_in in = {0};
    size_t body = size - sizeof(struct fuse_in_header);
    memcpy(&in, request + sizeof(struct fuse_in_header), MIN(body, sizeof in));
    server->kernel_flags = in.flags;
    if (!server->swallow)
        request_store_note_init(server->requests, request, size);
}

static void serve_request(FuseServer *server, size_t size)
{
    struct fuse_in_header head;
    memcpy(&head, server->buffer, sizeof head);
    if (raw_handles(head.opcode)) {
        raw_serve(server, server->buffer, size);
        return;
    }
    struct fuse_buf buf = {.mem = server->buffer, .size = size};
    if (head.opcode != FUSE_INIT) {
        fuse_session_process_buf(server->session, &buf);
        return;
    }
    /* Before all other requests, so no other thread answers any yet. */
    note_init(server, server->buffer, size);
    server->initializing = true;
    fuse_session_process_buf(server->session, &buf);
    server->initializing = false;
}

static void serve(FuseServer *server, size_t size)
{
    struct fuse_in_header head;
    memcpy(&head, server->buffer, sizeof head);
    int64_t begin = clock_boot_ns();
    serve_request(server, size);
    stats_request(&server->engine->lasting->requests, head.opcode, clock_boot_ns() - begin);
}

/* The kernel resends all at once, so the first that it does not resend is mostly the end of them.
 */
static void note_resent(FuseServer *server, uint64_t unique)
{
    if (unique & REQUEST_RESENT) {
        engine_stats(server->engine)->resent++;
        server->resent++;
    } else if (server->resent) {
        log_info("%u requests were resent by the kernel", server->resent);
        server->resent = 0;
    }
}

void fuse_server_serve(FuseServer *server, size_t size, bool again)
{
    struct fuse_in_header *head = (void *)server->buffer;
    Engine *engine = server->engine;
    CRASH_POINT("request-read");
    engine_request_begin(engine, head->unique, again);
    note_resent(server, head->unique);
    serve(server, size);
    act_forsake(&engine->store);
    if (journal_is_open(&engine->journal)) /* no answer, or one that comes from the pool */
        journal_answer(&engine->journal, NULL, 0);
    CRASH_POINT("request-done");
    request_store_clear_buffer(server->requests);
    engine_request_end(engine);
}

int fuse_server_run(FuseServer *server)
{
    while (!g_atomic_int_get(&server->ending)) {
        ssize_t n = syscall(SYS_read, server->fd, server->buffer, server->buffer_size);
        if (n >= (ssize_t)sizeof(struct fuse_in_header)) {
            fuse_server_serve(server, (size_t)n, false);
            continue;
        }
        if (n >= 0)
            return -EIO;
        if (errno == ENODEV)
            return 0; /* unmounted */
        /* ENOENT: the request was withdrawn before it was read. */
        if (errno != EINTR && errno != ENOENT && errno != EAGAIN)
            return -errno;
    }
    return 0;
}

void fuse_server_end(FuseServer *server)
{
    g_atomic_int_set(&server->ending, 1);
}

void fuse_server_tell_removed(FuseServer *server, uint64_t dir_id, uint64_t node_id,
                              const char *name)
{
    if (node_id)
        fuse_lowlevel_notify_delete(server->session, dir_id, node_id, name, strlen(name));
    else
        fuse_lowlevel_notify_inval_entry(server->session, dir_id, name, strlen(name));
}

/* What the kernel's requests are called in the statistics. */
static const char *const request_names[STATS_OPCODES] = {
    [FUSE_LOOKUP] = "lookup",     [FUSE_FORGET] = "forget",
    [FUSE_GETATTR] = "getattr",   [FUSE_SETATTR] = "setattr",
    [FUSE_READLINK] = "readlink", [FUSE_SYMLINK] = "symlink",
    [FUSE_MKNOD] = "mknod",       [FUSE_MKDIR] = "mkdir",
    [FUSE_UNLINK] = "unlink",     [FUSE_RMDIR] = "rmdir",
    [FUSE_RENAME2] = "rename",    [FUSE_LINK] = "link",
    [FUSE_OPEN] = "open",         [FUSE_READ] = "read",
    [FUSE_WRITE] = "write",       [FUSE_STATFS] = "statfs",
    [FUSE_RELEASE] = "release",   [FUSE_FSYNC] = "fsync",
    [FUSE_GETXATTR] = "getxattr", [FUSE_OPENDIR] = "opendir",
    [FUSE_READDIR] = "readdir",   [FUSE_READDIRPLUS] = "readdirplus",
    [FUSE_CREATE] = "create",     [FUSE_ACCESS] = "access",
};

static struct fuse_session *session_new(FuseServer *server)
{
    struct fuse_lowlevel_ops ops = {.init = op_init};
    ops_add_names(&ops);
    ops_add_attributes(&ops);
    ops_add_files(&ops, server->options.flush);
    ops_add_directories(&ops);
    ops_add_xattrs(&ops);
    virtual_add(&ops);
    char *argv[] = {"lockfs", "-d", NULL};
    struct fuse_args args = FUSE_ARGS_INIT(server->options.debug ? 2 : 1, argv);
    struct fuse_session *session = fuse_session_new(&args, &ops, sizeof ops, server);
    fuse_opt_free_args(&args);
    return session;
}

int fuse_server_new(Engine *engine, int fd, const FuseServerOptions *options, FuseServer **out)
{
    static const struct fuse_custom_io io = {.read = io_read, .writev = io_writev};
    FuseServer *server = g_new0(FuseServer, 1);
    server->engine = engine;
    server->control = control_new(engine, options->upgrade, virtual_wake, server);
    engine->request_names = request_names;
    server->options = *options;
    server->fd = fd;
    server->io = g_malloc(REQUEST_IO_SIZE);
    server->pool = g_thread_pool_new(offload_run, server, POOL_THREADS, FALSE, NULL);
    server->session = session_new(server);
    int r = request_store_new(engine->file, &server->requests);
    if (r == 0) {
        server->buffer = server->requests->buffer;
        server->buffer_size = REQUEST_BUFFER_SIZE;
    }
    if (r < 0 || !server->session || fuse_session_custom_io(server->session, &io, fd) != 0) {
        fuse_server_free(server);
        return -ENOMEM;
    }
    *out = server;
    return 0;
}

void fuse_server_free(FuseServer *server)
{
    g_thread_pool_free(server->pool, FALSE, TRUE);
    control_free(server->control);
    if (server->session)
        fuse_session_destroy(server->session);
    request_store_free(server->requests);
    g_free(server->io);
    g_free(server);
}
