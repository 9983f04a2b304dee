#include "fuse/request.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Open directories. The kernel's offsets are the source's own, so a position can be taken up again
 * by anyone who has the descriptor, and entries that stay are neither missed nor listed twice. */

typedef struct {
    fuse_req_t req;
    fuse_ino_t dir;
    bool plus;
    char *out;
    size_t size, used;
} Listing;

struct Dirent64 {
    uint64_t ino;
    int64_t next;
    unsigned short reclen;
    unsigned char type;
    char name[];
};

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (virtual_opendir(req, ino, fi))
        return;
    Caller caller = request_caller(req);
    int r = engine_open(request_engine(req), &caller, ino, O_RDONLY | O_DIRECTORY, &fi->fh);
    reply_open(req, r, fi);
}

static bool is_dot(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static size_t add_plain(Listing *listing, const struct Dirent64 *entry, uint64_t ino)
{
    struct stat st = {.st_ino = ino, .st_mode = DTTOIF(entry->type)};
    return fuse_add_direntry(listing->req, listing->out + listing->used,
                             listing->size - listing->used, entry->name, &st, entry->next);
}

/* With attributes: a lookup, whose reference goes back if the entry does not fit. */
static size_t add_plus(Listing *listing, const struct Dirent64 *entry, uint64_t ino)
{
    Engine *engine = request_engine(listing->req);
    Caller caller = request_caller(listing->req);
    Entry found = {.attr = {.st_ino = ino, .st_mode = DTTOIF(entry->type)}};
    if (!is_dot(entry->name)) {
        int r = engine_lookup_listed(engine, &caller, listing->dir, entry->name, &found);
        if (r == 0 && !found.node_id)
            return 0; /* gone since */
        if (r < 0)    /* no attributes: listed all the same */
            found = (Entry){.attr = {.st_ino = ino, .st_mode = DTTOIF(entry->type)}};
    }
    struct fuse_entry_param param = reply_param(&found);
    size_t room = listing->size - listing->used;
    size_t need = fuse_add_direntry_plus(listing->req, listing->out + listing->used, room,
                                         entry->name, &param, entry->next);
    if (need > room && found.node_id)
        engine_forget(engine, found.node_id, 1);
    return need;
}

/* false: the reply is full. */
static bool add(Listing *listing, const struct Dirent64 *entry)
{
    uint64_t ino = entry->ino;
    if (!engine_lists(request_engine(listing->req), listing->dir, entry->name, &ino))
        return true;
    size_t need = listing->plus ? add_plus(listing, entry, ino) : add_plain(listing, entry, ino);
    if (need > listing->size - listing->used)
        return false;
    listing->used += need;
    return true;
}

static int fill(Listing *listing, int fd, off_t offset)
{
    char batch[32 * 1024] __attribute__((aligned(8)));
    if (lseek(fd, offset, SEEK_SET) < 0)
        return -errno;
    for (;;) {
        /* Not much more is read than fits, since what does not fit is read again. */
        size_t want = listing->size - listing->used;
        long n = syscall(SYS_getdents64, fd, batch, want < sizeof batch ? want : sizeof batch);
        if (n < 0 && errno == EINVAL)
            return 0; /* the room left is smaller than the next entry */
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        for (long at = 0; at < n;) {
            const struct Dirent64 *entry = (const void *)(batch + at);
            if (!add(listing, entry))
                return 0;
            at += entry->reclen;
        }
        if (listing->used)
            return 0;
    }
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, uint64_t fh, bool plus)
{
    FuseServer *server = request_server(req);
    Listing listing = {
        .req = req,
        .dir = ino,
        .plus = plus,
        .out = server->io,
        .size = size < REQUEST_IO_SIZE ? size : REQUEST_IO_SIZE,
    };
    int fd = engine_handle_fd(server->engine, fh);
    int r = fd < 0 ? fd : fill(&listing, fd, offset);
    /* Entries already in the reply carry references: they must not be lost to a late error. */
    reply_data(req, r < 0 && listing.used == 0 ? r : (ssize_t)listing.used, listing.out);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    if (virtual_readdir(req, ino, size, offset, false))
        return;
    list(req, ino, size, offset, fi->fh, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                           struct fuse_file_info *fi)
{
    if (virtual_readdir(req, ino, size, offset, true))
        return;
    list(req, ino, size, offset, fi->fh, true);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    engine_close(request_engine(req), fi->fh);
    reply_error(req, 0);
}

void ops_add_directories(struct fuse_lowlevel_ops *ops)
{
    ops->opendir = op_opendir;
    ops->readdir = op_readdir;
    ops->readdirplus = op_readdirplus;
    ops->releasedir = op_releasedir;
    ops->fsyncdir = op_fsync;
}
