/* The least a FUSE filesystem can do: one directory whose entries are kept in memory, one thread,
 * no cache.
 *
 *     emptyfs [-f] [-o OPTIONS] MOUNTPOINT
 *
 * The bench measures others against it: what it takes is the price of the kernel's round trips.
 */
#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fuse_lowlevel.h>
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    fuse_ino_t ino;
    mode_t mode;
} Entry;

typedef struct {
    GHashTable *by_name;
    GHashTable *by_ino;
    fuse_ino_t last_ino;
} EmptyFs;

static EmptyFs *self(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

static struct stat attributes(fuse_ino_t ino, mode_t mode)
{
    return (struct stat){.st_ino = ino, .st_mode = mode, .st_nlink = S_ISDIR(mode) ? 2 : 1};
}

static struct fuse_entry_param entry_param(const Entry *entry)
{
    return (struct fuse_entry_param){.ino = entry->ino,
                                     .attr = attributes(entry->ino, entry->mode)};
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    const Entry *entry =
        parent == FUSE_ROOT_ID ? g_hash_table_lookup(self(req)->by_name, name) : NULL;
    if (!entry) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    struct fuse_entry_param param = entry_param(entry);
    fuse_reply_entry(req, &param);
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    const Entry *entry = g_hash_table_lookup(self(req)->by_ino, GSIZE_TO_POINTER(ino));
    if (!entry && ino != FUSE_ROOT_ID) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    struct stat st = attributes(ino, entry ? entry->mode : S_IFDIR | 0777);
    fuse_reply_attr(req, &st, 0);
}

/* NULL, and an error replied, when the name is taken. */
static const Entry *make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    EmptyFs *fs = self(req);
    if (parent != FUSE_ROOT_ID || g_hash_table_contains(fs->by_name, name)) {
        fuse_reply_err(req, parent == FUSE_ROOT_ID ? EEXIST : ENOENT);
        return NULL;
    }
    Entry *entry = g_new(Entry, 1);
    *entry = (Entry){.ino = ++fs->last_ino, .mode = mode};
    g_hash_table_insert(fs->by_name, g_strdup(name), entry);
    g_hash_table_insert(fs->by_ino, GSIZE_TO_POINTER(entry->ino), entry);
    return entry;
}

static void do_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    const Entry *entry = make(req, parent, name, S_IFDIR | (mode & 07777));
    if (!entry)
        return;
    struct fuse_entry_param param = entry_param(entry);
    fuse_reply_entry(req, &param);
}

static void do_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    const Entry *entry = make(req, parent, name, S_IFREG | (mode & 07777));
    if (!entry)
        return;
    struct fuse_entry_param param = entry_param(entry);
    fuse_reply_create(req, &param, fi);
}

static void do_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    EmptyFs *fs = self(req);
    const Entry *entry = parent == FUSE_ROOT_ID ? g_hash_table_lookup(fs->by_name, name) : NULL;
    if (entry) {
        g_hash_table_remove(fs->by_ino, GSIZE_TO_POINTER(entry->ino));
        g_hash_table_remove(fs->by_name, name);
    }
    fuse_reply_err(req, entry ? 0 : ENOENT);
}

static const struct fuse_lowlevel_ops operations = {
    .lookup = do_lookup,
    .getattr = do_getattr,
    .mkdir = do_mkdir,
    .create = do_create,
    .rmdir = do_remove,
    .unlink = do_remove,
};

static int serve(struct fuse_args *args, const char *mountpoint, EmptyFs *fs)
{
    struct fuse_session *session = fuse_session_new(args, &operations, sizeof(operations), fs);
    if (!session)
        return 1;
    int result = 1;
    if (fuse_set_signal_handlers(session) == 0 && fuse_session_mount(session, mountpoint) == 0) {
        result = fuse_session_loop(session);
        fuse_session_unmount(session);
    }
    fuse_remove_signal_handlers(session);
    fuse_session_destroy(session);
    return result < 0 ? 1 : result;
}

int main(int argc, char **argv)
{
    struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
    struct fuse_cmdline_opts options = {0};
    if (fuse_parse_cmdline(&args, &options) != 0 || !options.mountpoint) {
        fprintf(stderr, "usage: emptyfs [-f] [-o OPTIONS] MOUNTPOINT\n");
        return 2;
    }
    EmptyFs fs = {
        .by_name = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
        .by_ino = g_hash_table_new(g_direct_hash, g_direct_equal),
        .last_ino = FUSE_ROOT_ID,
    };
    fuse_daemonize(options.foreground);
    int result = serve(&args, options.mountpoint, &fs);
    g_hash_table_unref(fs.by_ino);
    g_hash_table_unref(fs.by_name);
    fuse_opt_free_args(&args);
    free(options.mountpoint);
    return result;
}
