#include "base/crash-point.h"
#include "fuse/request.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Requests about `.lockfs` and what is in it, handed to control/. */

bool virtual_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    if (!virtual_node_is(parent) && !control_is_entry(name))
        return false;
    Entry entry;
    int r = control_lookup(request_control(req), parent, name, &entry);
    reply_entry(req, r, &entry);
    return true;
}

bool virtual_getattr(fuse_req_t req, fuse_ino_t ino)
{
    if (!virtual_node_is(ino))
        return false;
    Entry entry = {0};
    int r = control_getattr(request_control(req), ino, &entry);
    reply_attr(req, r, &entry);
    return true;
}

bool virtual_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
    if (!virtual_node_is(ino))
        return false;
    Caller caller = request_caller(req);
    reply_error(req, control_access(request_control(req), &caller, ino, mask));
    return true;
}

bool virtual_forbids(fuse_req_t req, fuse_ino_t dir)
{
    if (virtual_node_is(dir))
        reply_error(req, -EPERM);
    return virtual_node_is(dir);
}

/* --- files --- */

static void answer_open(fuse_req_t req, int error, struct fuse_file_info *fi)
{
    Control *control = request_control(req);
    if (error < 0)
        reply_error(req, error);
    else if (fuse_reply_open(req, fi) == -ENOENT)
        control_close(control, fi->fh);
}

static void run_fill(OffloadJob *job)
{
    control_fill(request_control(job->req), job->fi.fh);
    answer_open(job->req, 0, &job->fi);
}

bool virtual_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (!virtual_node_is(ino))
        return false;
    Caller caller = request_caller(req);
    bool slow = false;
    int r = control_open(request_control(req), &caller, ino, fi->flags, &fi->fh, &slow);
    fi->direct_io = 1;
    fi->nonseekable = virtual_node_kind(ino) == VIRTUAL_NODE_EVENTS;
    if (r == 0 && slow)
        offload(req, &(OffloadJob){.run = run_fill, .fi = *fi});
    else
        answer_open(req, r, fi);
    return true;
}

bool virtual_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (!virtual_node_is(ino))
        return false;
    if (virtual_node_kind(ino) != VIRTUAL_NODE_DIR)
        control_close(request_control(req), fi->fh);
    reply_error(req, 0);
    return true;
}

/* --- events --- */

/* A read that waits. */
typedef struct {
    fuse_req_t req;
    FuseServer *server;
    int copy; /* of the request, for the next worker; -1: none */
} EventsRead;

static void events_read_free(EventsRead *wait)
{
    if (wait->copy >= 0)
        request_store_drop(wait->server->requests, (unsigned)wait->copy);
    g_free(wait);
}

static void answer_event(void *request, const char *data, ssize_t n)
{
    EventsRead *wait = request;
    reply_data(wait->req, n, data);
    CRASH_POINT("events-answered");
    events_read_free(wait);
}

/* Called with a lock of the request held, which answering takes as well; so the read is known by
 * its address alone. */
static void interrupted(fuse_req_t req, void *data)
{
    EventsRead *wait = data;
    if (!control_events_cancel(wait->server->control, wait))
        return;
    reply_error(req, -EINTR);
    events_read_free(wait);
}

static void wait_for_events(fuse_req_t req, size_t size, const struct fuse_file_info *fi)
{
    FuseServer *server = request_server(req);
    EventsRead *wait = g_new(EventsRead, 1);
    ssize_t n;
    *wait = (EventsRead){req, server, request_store_copy(server->requests)};
    if (control_events_wait(server->control, fi->fh, size, answer_event, wait, server->io, &n)) {
        /* Interrupts are served by this thread, too: none comes between. */
        fuse_req_interrupt_func(req, interrupted, wait);
        return;
    }
    reply_data(req, n, server->io);
    events_read_free(wait);
}

static void read_events(fuse_req_t req, size_t size, const struct fuse_file_info *fi)
{
    FuseServer *server = request_server(req);
    if (fuse_req_interrupted(req)) {
        reply_error(req, -EINTR);
    } else if (fi->flags & O_NONBLOCK) {
        ssize_t n = control_events_read(server->control, fi->fh, server->io, size);
        reply_data(req, n, server->io);
    } else {
        wait_for_events(req, size, fi);
    }
}

static void run_read_anew(OffloadJob *job)
{
    Control *control = request_control(job->req);
    const char *data = NULL;
    control_fill(control, job->fi.fh);
    ssize_t n = control_read(control, job->fi.fh, job->size, 0, &data);
    reply_data(job->req, n, data);
}

bool virtual_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                  struct fuse_file_info *fi)
{
    if (!virtual_node_is(ino))
        return false;
    size = MIN(size, REQUEST_IO_SIZE);
    if (virtual_node_kind(ino) == VIRTUAL_NODE_EVENTS) {
        read_events(req, size, fi);
        return true;
    }
    if (control_is_forgotten(request_control(req), fi->fh, offset)) {
        offload(req, &(OffloadJob){.run = run_read_anew, .fi = *fi, .size = size});
        return true;
    }
    const char *data = NULL;
    ssize_t n = control_read(request_control(req), fi->fh, size, offset, &data);
    reply_data(req, n, data);
    return true;
}

bool virtual_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size,
                   struct fuse_file_info *fi)
{
    if (!virtual_node_is(ino))
        return false;
    Caller caller = request_caller(req);
    reply_count(req, control_write(request_control(req), &caller, fi->fh, data, size));
    return true;
}

void virtual_wake(void *ctx, uint64_t poll_handle)
{
    const FuseServer *server = ctx;
    struct {
        struct fuse_out_header head;
        struct fuse_notify_poll_wakeup_out body;
    } out = {{.len = sizeof out, .error = FUSE_NOTIFY_POLL}, {.kh = poll_handle}};
    ssize_t ignored = write(server->fd, &out, sizeof out); /* it may be closed by now */
    (void)ignored;
}

/* libfuse hides the number in a structure that does not outlive the process. */
static uint64_t poll_handle_of(fuse_req_t req)
{
    const char *body = request_server(req)->buffer + sizeof(struct fuse_in_header);
    const struct fuse_poll_in *in = (const void *)body;
    return in->flags & FUSE_POLL_SCHEDULE_NOTIFY ? in->kh : 0;
}

static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
                    struct fuse_pollhandle *ph)
{
    unsigned revents = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM; /* as of any file */
    if (ph)
        fuse_pollhandle_destroy(ph);
    if (virtual_node_is(ino) && virtual_node_kind(ino) == VIRTUAL_NODE_EVENTS) {
        bool ready = control_events_poll(request_control(req), fi->fh, poll_handle_of(req));
        revents = ready ? POLLIN | POLLRDNORM : 0;
    }
    reply_poll(req, revents);
}

/* --- the directory --- */

bool virtual_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (!virtual_node_is(ino))
        return false;
    Caller caller = request_caller(req);
    int r = control_access(request_control(req), &caller, ino, 4);
    fi->fh = 0;
    answer_open(req, r, fi);
    return true;
}

static size_t add_entry(fuse_req_t req, char *out, size_t room, bool plus, const char *name,
                        uint64_t id, bool is_dir, off_t next)
{
    struct fuse_entry_param param = {.attr = {.st_ino = id, .st_mode = is_dir ? S_IFDIR : S_IFREG}};
    /* Without a node: the kernel looks it up when it wants more. */
    return plus ? fuse_add_direntry_plus(req, out, room, name, &param, next)
                : fuse_add_direntry(req, out, room, name, &param.attr, next);
}

bool virtual_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
    if (!virtual_node_is(ino))
        return false;
    char *out = request_server(req)->io;
    size_t used = 0;
    uint64_t id;
    const char *name;
    bool is_dir;
    size = MIN(size, REQUEST_IO_SIZE);
    for (off_t n = offset; control_list(ino, (unsigned)n, &id, &name, &is_dir); n++) {
        size_t need = add_entry(req, out + used, size - used, plus, name, id, is_dir, n + 1);
        if (need > size - used)
            break;
        used += need;
    }
    reply_data(req, (ssize_t)used, out);
    return true;
}

/* --- attributes --- */

bool virtual_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    bool ours = strncmp(name, "user.lockfs.", strlen("user.lockfs.")) == 0;
    if (!virtual_node_is(ino) && !ours)
        return false;
    if (virtual_node_is(ino)) {
        reply_error(req, -ENODATA);
        return true;
    }
    Caller caller = request_caller(req);
    char *value = request_server(req)->io;
    ssize_t n = control_getxattr(request_control(req), &caller, ino, name, value,
                                 MIN(size, REQUEST_IO_SIZE));
    reply_xattr(req, n, value, size);
    return true;
}

void virtual_add(struct fuse_lowlevel_ops *ops)
{
    ops->poll = op_poll;
}
