#include "fuse/request.h"

#include <linux/fuse.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Requests that the installed libfuse cannot decode, decoded here. */

#define FUSE_TMPFILE_OPCODE 51

typedef struct {
    FuseServer *server;
    uint64_t unique;
} RawRequest;

bool raw_handles(uint32_t opcode)
{
    return opcode == FUSE_TMPFILE_OPCODE;
}

static ssize_t raw_reply(const RawRequest *raw, int error, const void *body, size_t size)
{
    struct fuse_out_header head = {
        .len = (uint32_t)(sizeof head + size), .error = error, .unique = raw->unique};
    struct iovec iov[] = {{&head, sizeof head}, {(void *)body, size}};
    return fuse_server_send(raw->server, iov, size ? 2 : 1) < 0 ? -errno : 0;
}

static void set_timeout(double timeout, uint64_t *seconds, uint32_t *nsec)
{
    *seconds = (uint64_t)timeout;
    *nsec = (uint32_t)((timeout - (double)*seconds) * 1e9);
}

static struct fuse_attr attr_of(const struct stat *st)
{
    return (struct fuse_attr){
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .blocks = (uint64_t)st->st_blocks,
        .atime = (uint64_t)st->st_atim.tv_sec,
        .mtime = (uint64_t)st->st_mtim.tv_sec,
        .ctime = (uint64_t)st->st_ctim.tv_sec,
        .atimensec = (uint32_t)st->st_atim.tv_nsec,
        .mtimensec = (uint32_t)st->st_mtim.tv_nsec,
        .ctimensec = (uint32_t)st->st_ctim.tv_nsec,
        .mode = st->st_mode,
        .nlink = (uint32_t)st->st_nlink,
        .uid = st->st_uid,
        .gid = st->st_gid,
        .rdev = (uint32_t)st->st_rdev,
        .blksize = (uint32_t)st->st_blksize,
    };
}

static void tmpfile_made(void *user, int error, const Entry *entry)
{
    RawRequest *raw = user;
    struct {
        struct fuse_entry_out entry;
        struct fuse_open_out open;
    } out = {0};
    if (error == 0) {
        out.entry.nodeid = entry->node_id;
        out.entry.attr = attr_of(&entry->attr);
        set_timeout(entry->entry_timeout, &out.entry.entry_valid, &out.entry.entry_valid_nsec);
        set_timeout(entry->attr_timeout, &out.entry.attr_valid, &out.entry.attr_valid_nsec);
        out.open.fh = entry->fh;
    }
    ssize_t r = raw_reply(raw, error, &out, error == 0 ? sizeof out : 0);
    if (error == 0 && r == -ENOENT) {
        engine_close(raw->server->engine, entry->fh);
        engine_forget(raw->server->engine, entry->node_id, 1);
    }
    g_free(raw);
}

void raw_serve(FuseServer *server, const char *request, size_t size)
{
    struct fuse_in_header head;
    struct fuse_create_in in;
    memcpy(&head, request, sizeof head);
    RawRequest *raw = g_new(RawRequest, 1);
    *raw = (RawRequest){server, head.unique};
    if (size < sizeof head + sizeof in) {
        tmpfile_made(raw, -EINVAL, NULL);
        return;
    }
    memcpy(&in, request + sizeof head, sizeof in);
    Caller caller = {.tid = (pid_t)head.pid, .uid = head.uid, .gid = head.gid, .umask = in.umask};
    Making making = {
        .kind = MAKE_TMPFILE,
        .dir = head.nodeid,
        .name = "",
        .mode = in.mode,
        .flags = request_open_flags((int)in.flags),
    };
    engine_make(server->engine, &caller, &making, tmpfile_made, raw);
}
