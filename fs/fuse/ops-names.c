#include "fuse/request.h"

/* Names: looking them up, making and removing what they stand for. */

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    if (virtual_lookup(req, parent, name))
        return;
    Caller caller = request_caller(req);
    Entry entry;
    int r = engine_lookup(request_engine(req), &caller, parent, name, &entry);
    reply_entry(req, r, &entry);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    engine_forget(request_engine(req), ino, count);
    reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    for (size_t i = 0; i < count; i++)
        engine_forget(request_engine(req), forgets[i].ino, forgets[i].nlookup);
    reply_none(req);
}

static void made(void *user, int error, const Entry *entry)
{
    reply_entry(user, error, entry);
}

static void make(fuse_req_t req, const Making *making)
{
    Caller caller = request_caller(req);
    engine_make(request_engine(req), &caller, making, made, req);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    if (virtual_forbids(req, parent))
        return;
    make(req, &(Making){.kind = MAKE_DIR, .dir = parent, .name = name, .mode = mode});
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    if (virtual_forbids(req, parent))
        return;
    make(req,
         &(Making){.kind = MAKE_NODE, .dir = parent, .name = name, .mode = mode, .rdev = rdev});
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
    if (virtual_forbids(req, parent))
        return;
    make(req, &(Making){.kind = MAKE_SYMLINK, .dir = parent, .name = name, .target = target});
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    if (virtual_forbids(req, parent))
        return;
    make(req, &(Making){.kind = MAKE_LINK, .dir = parent, .name = name, .node = ino});
}

typedef struct {
    fuse_req_t req;
    struct fuse_file_info fi;
} Creation;

static void created(void *user, int error, const Entry *entry)
{
    Creation *creation = user;
    reply_create(creation->req, error, entry, &creation->fi);
    g_free(creation);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    if (virtual_forbids(req, parent))
        return;
    Caller caller = request_caller(req);
    Creation *creation = g_new(Creation, 1);
    *creation = (Creation){req, *fi};
    creation->fi.keep_cache = 1;
    Making making = {
        .kind = MAKE_FILE,
        .dir = parent,
        .name = name,
        .mode = mode,
        .flags = request_open_flags(fi->flags),
    };
    engine_make(request_engine(req), &caller, &making, created, creation);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    if (virtual_forbids(req, parent))
        return;
    Caller caller = request_caller(req);
    reply_error(req, engine_remove(request_engine(req), &caller, parent, name, false));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    if (virtual_forbids(req, parent))
        return;
    Caller caller = request_caller(req);
    reply_error(req, engine_remove(request_engine(req), &caller, parent, name, true));
}

static void renamed(void *user, int error, const Entry *entry)
{
    reply_error(user, error);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                      const char *new_name, unsigned int flags)
{
    if (virtual_forbids(req, parent) || virtual_forbids(req, new_parent))
        return;
    Caller caller = request_caller(req);
    engine_rename(request_engine(req), &caller, parent, name, new_parent, new_name, flags, renamed,
                  req);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    char target[4096 + 1];
    ssize_t n = engine_readlink(request_engine(req), ino, target, sizeof target - 1);
    if (n < 0) {
        reply_error(req, (int)n);
        return;
    }
    target[n] = '\0';
    reply_readlink(req, target);
}

void ops_add_names(struct fuse_lowlevel_ops *ops)
{
    ops->lookup = op_lookup;
    ops->forget = op_forget;
    ops->forget_multi = op_forget_multi;
    ops->mkdir = op_mkdir;
    ops->mknod = op_mknod;
    ops->symlink = op_symlink;
    ops->link = op_link;
    ops->create = op_create;
    ops->unlink = op_unlink;
    ops->rmdir = op_rmdir;
    ops->rename = op_rename;
    ops->readlink = op_readlink;
}
