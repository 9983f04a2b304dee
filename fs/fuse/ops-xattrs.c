#include "fuse/request.h"

/* Extended attributes. */

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    if (virtual_getxattr(req, ino, name, size))
        return;
    Caller caller = request_caller(req);
    char *value = request_server(req)->io;
    ssize_t n =
        engine_getxattr(request_engine(req), &caller, ino, name, value, MIN(size, REQUEST_IO_SIZE));
    reply_xattr(req, n, value, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    Caller caller = request_caller(req);
    char *names = request_server(req)->io;
    ssize_t n =
        engine_listxattr(request_engine(req), &caller, ino, names, MIN(size, REQUEST_IO_SIZE));
    reply_xattr(req, n, names, size);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                        size_t size, int flags)
{
    Caller caller = request_caller(req);
    reply_error(req, engine_setxattr(request_engine(req), &caller, ino, name, value, size, flags));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    Caller caller = request_caller(req);
    reply_error(req, engine_removexattr(request_engine(req), &caller, ino, name));
}

void ops_add_xattrs(struct fuse_lowlevel_ops *ops)
{
    ops->getxattr = op_getxattr;
    ops->listxattr = op_listxattr;
    ops->setxattr = op_setxattr;
    ops->removexattr = op_removexattr;
}
