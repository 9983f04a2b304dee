#include "fuse/request.h"

/* Attributes of files and of the filesystem. */

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (virtual_getattr(req, ino))
        return;
    Caller caller = request_caller(req);
    Entry entry = {0};
    int r = engine_getattr(request_engine(req), &caller, ino, fi ? fi->fh : 0, &entry);
    reply_attr(req, r, &entry);
}

static struct timespec time_to_set(int set, int now, int to_set, struct timespec value)
{
    if (to_set & now)
        return (struct timespec){.tv_nsec = UTIME_NOW};
    if (to_set & set)
        return value;
    return (struct timespec){.tv_nsec = UTIME_OMIT};
}

static SourceChange change_of(const struct stat *attr, int to_set)
{
    return (SourceChange){
        .set_mode = to_set & FUSE_SET_ATTR_MODE,
        .set_uid = to_set & FUSE_SET_ATTR_UID,
        .set_gid = to_set & FUSE_SET_ATTR_GID,
        .set_size = to_set & FUSE_SET_ATTR_SIZE,
        .set_atime = to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW),
        .set_mtime = to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW),
        .mode = attr->st_mode & 07777,
        .uid = attr->st_uid,
        .gid = attr->st_gid,
        .size = attr->st_size,
        .times = {time_to_set(FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, to_set, attr->st_atim),
                  time_to_set(FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, to_set, attr->st_mtim)},
    };
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                       struct fuse_file_info *fi)
{
    if (virtual_getattr(req, ino)) /* open(O_TRUNC) asks for it: nothing to do */
        return;
    Caller caller = request_caller(req);
    SourceChange change = change_of(attr, to_set);
    Entry entry = {0};
    int r = engine_setattr(request_engine(req), &caller, ino, fi ? fi->fh : 0, &change, &entry);
    reply_attr(req, r, &entry);
}

static void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
    if (virtual_access(req, ino, mask))
        return;
    Caller caller = request_caller(req);
    reply_error(req, engine_access(request_engine(req), &caller, ino, mask));
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct statvfs st;
    int r =
        engine_statvfs(request_engine(req), ino && !virtual_node_is(ino) ? ino : FUSE_ROOT_ID, &st);
    reply_statfs(req, r, &st);
}

void ops_add_attributes(struct fuse_lowlevel_ops *ops)
{
    ops->getattr = op_getattr;
    ops->setattr = op_setattr;
    ops->access = op_access;
    ops->statfs = op_statfs;
}
