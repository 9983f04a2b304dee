#include "fuse/request.h"

Caller request_caller(fuse_req_t req)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    return (Caller){.tid = ctx->pid, .uid = ctx->uid, .gid = ctx->gid, .umask = ctx->umask};
}

/* The caller may be gone by now (ENOENT from the device): nobody waits for the answer then. What
 * the request did stands, and a claim it made is watched already. */
static void sent(int result)
{
    (void)result;
}

void reply_error(fuse_req_t req, int error)
{
    sent(fuse_reply_err(req, -error));
}

struct fuse_entry_param reply_param(const Entry *entry)
{
    return (struct fuse_entry_param){
        .ino = entry->node_id,
        .attr = entry->attr,
        .entry_timeout = entry->entry_timeout,
        .attr_timeout = entry->attr_timeout,
    };
}

void reply_entry(fuse_req_t req, int error, const Entry *entry)
{
    if (error < 0) {
        reply_error(req, error);
        return;
    }
    Engine *engine = request_engine(req);
    struct fuse_entry_param param = reply_param(entry);
    if (fuse_reply_entry(req, &param) == -ENOENT && entry->node_id)
        engine_forget(engine, entry->node_id, 1);
}

void reply_attr(fuse_req_t req, int error, const Entry *entry)
{
    if (error < 0)
        reply_error(req, error);
    else
        sent(fuse_reply_attr(req, &entry->attr, entry->attr_timeout));
}

void reply_create(fuse_req_t req, int error, const Entry *entry, struct fuse_file_info *fi)
{
    if (error < 0) {
        reply_error(req, error);
        return;
    }
    Engine *engine = request_engine(req);
    struct fuse_entry_param param = reply_param(entry);
    fi->fh = entry->fh;
    if (fuse_reply_create(req, &param, fi) == -ENOENT) {
        engine_close(engine, entry->fh);
        engine_forget(engine, entry->node_id, 1);
    }
}

void reply_open(fuse_req_t req, int error, const struct fuse_file_info *fi)
{
    if (error < 0) {
        reply_error(req, error);
        return;
    }
    Engine *engine = request_engine(req);
    if (fuse_reply_open(req, fi) == -ENOENT)
        engine_close(engine, fi->fh);
}

void reply_data(fuse_req_t req, ssize_t n, const char *data)
{
    if (n < 0)
        reply_error(req, (int)n);
    else
        sent(fuse_reply_buf(req, data, (size_t)n));
}

void reply_count(fuse_req_t req, ssize_t n)
{
    if (n < 0)
        reply_error(req, (int)n);
    else
        sent(fuse_reply_write(req, (size_t)n));
}

void reply_readlink(fuse_req_t req, const char *target)
{
    sent(fuse_reply_readlink(req, target));
}

void reply_statfs(fuse_req_t req, int error, const struct statvfs *st)
{
    if (error < 0)
        reply_error(req, error);
    else
        sent(fuse_reply_statfs(req, st));
}

void reply_xattr(fuse_req_t req, ssize_t n, const char *data, size_t size)
{
    if (n < 0)
        reply_error(req, (int)n);
    else if (size == 0)
        sent(fuse_reply_xattr(req, (size_t)n));
    else
        sent(fuse_reply_buf(req, data, (size_t)n));
}

void reply_offset(fuse_req_t req, off_t offset)
{
    if (offset < 0)
        reply_error(req, (int)offset);
    else
        sent(fuse_reply_lseek(req, offset));
}

void reply_poll(fuse_req_t req, unsigned revents)
{
    sent(fuse_reply_poll(req, revents));
}

void reply_none(fuse_req_t req)
{
    fuse_reply_none(req);
}
