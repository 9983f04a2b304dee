#include "fuse/request.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

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

static void answer_event(void *request, const char *data, ssize_t n)
{
    reply_data(request, n, data);
}

/* Called with a lock of the request held, which answering takes as well; so the request is known by
 * its address alone. */
static void interrupted(fuse_req_t req, void *data)
{
    if (control_events_cancel(data, req))
        reply_error(req, -EINTR);
}

static void read_events(fuse_req_t req, size_t size, const struct fuse_file_info *fi)
{
    FuseServer *server = request_server(req);
    ssize_t n;
    if (fi->flags & O_NONBLOCK) {
        n = control_events_read(server->control, fi->fh, server->io, size);
        reply_data(req, n, server->io);
        return;
    }
    /* Interrupts are served by this thread, too: none comes between here and the end. */
    fuse_req_interrupt_func(req, interrupted, server->control);
    if (fuse_req_interrupted(req))
        reply_error(req, -EINTR);
    else if (!control_events_wait(server->control, fi->fh, size, answer_event, req, server->io, &n))
        reply_data(req, n, server->io);
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

static void wake(void *handle)
{
    fuse_lowlevel_notify_poll(handle);
    fuse_pollhandle_destroy(handle);
}

static void drop(void *handle)
{
    fuse_pollhandle_destroy(handle);
}

static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
                    struct fuse_pollhandle *ph)
{
    unsigned revents = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM; /* as of any file */
    if (virtual_node_is(ino) && virtual_node_kind(ino) == VIRTUAL_NODE_EVENTS) {
        bool ready = control_events_poll(request_control(req), fi->fh, wake, drop, ph);
        revents = ready ? POLLIN | POLLRDNORM : 0;
    } else if (ph) {
        fuse_pollhandle_destroy(ph);
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
