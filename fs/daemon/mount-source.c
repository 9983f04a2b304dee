#include "daemon/mount.h"

#include "base/fd.h"
#include "base/tree.h"
#include "daemon/mount-table.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FUSE_MAGIC 0x65735546
#define CIFS_MAGIC 0xff534d42U
#define SMB2_MAGIC 0xfe534d42U
#define CEPH_MAGIC 0x00c36400
#define V9FS_MAGIC_NUMBER 0x01021997

static bool is_network(const struct statfs *fs)
{
    switch ((unsigned long)fs->f_type) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case CIFS_MAGIC:
    case SMB2_MAGIC:
    case CEPH_MAGIC:
    case AFS_SUPER_MAGIC:
    case CODA_SUPER_MAGIC:
    case V9FS_MAGIC_NUMBER:
        return true;
    default:
        return false;
    }
}

/* A source below a lockfs would have two arbiters. */
static bool refuse_served(const char *path, int fd)
{
    struct statfs fs;
    struct stat st;
    if (fstatfs(fd, &fs) != 0 || fstat(fd, &st) != 0) {
        log_error("%s: %s", path, strerror(errno));
        return false;
    }
    if (fs.f_type != FUSE_MAGIC)
        return true;
    g_autofree char *type = mount_table_type(st.st_dev);
    if (g_strcmp0(type, "fuse.lockfs") != 0)
        return true;
    log_error("%s: already served by a lockfs; end that first with: umount %s", path, path);
    return false;
}

/* One daemon for one source, whichever path or namespace it is reached by: the lock is on the
 * directory itself. */
static bool take_source_lock(const char *path, int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        log_error("%s: already served by another lockfs (the directory is locked); find it with: "
                  "grep -H fuse.lockfs /proc/[0-9]*/mountinfo (a container may hold it)",
                  path);
    else
        log_error("%s: cannot lock the directory: %s", path, strerror(errno));
    return false;
}

static void warn_network(const char *path, MountSource *source)
{
    struct statfs fs;
    source->network = fstatfs(source->root, &fs) == 0 && is_network(&fs);
    if (source->network)
        log_warning("%s is on a network filesystem: locks are arbitrated on this machine only, "
                    "other machines that use it are not seen",
                    path);
}

static bool open_directory(const char *path, MountSource *source)
{
    AUTO_FD int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        log_error("%s: %s", path, strerror(errno));
        return false;
    }
    if (!refuse_served(path, root))
        return false;
    AUTO_FD int lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock < 0) {
        log_error("%s: cannot read the directory: %s", path, strerror(errno));
        return false;
    }
    if (!take_source_lock(path, lock))
        return false;
    source->root = fd_take(&root);
    source->lock = fd_take(&lock);
    warn_network(path, source);
    return true;
}

/* A tmpfs that is mounted nowhere: nobody else can reach it, and it ends with its last descriptor.
 */
static int open_detached_tmpfs(bool shared)
{
    AUTO_FD int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", shared ? "1777" : "0755", 0) != 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
        return -errno;
    AUTO_FD int mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
    if (mount < 0)
        return -errno;
    int root = openat(mount, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? -errno : root;
}

/* Without the right to make a filesystem: a directory of ours in one that is in memory anyway. */
static int open_scratch(char **scratch)
{
    const char *run = g_getenv("XDG_RUNTIME_DIR");
    const char *bases[] = {run ? run : "/dev/shm", "/dev/shm"};
    for (size_t i = 0; i < G_N_ELEMENTS(bases); i++) {
        g_autofree char *path = g_build_filename(bases[i], "lockfs-none-XXXXXX", NULL);
        if (!g_mkdtemp_full(path, 0700))
            continue;
        int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            *scratch = g_steal_pointer(&path);
            return fd;
        }
    }
    return -errno;
}

static bool open_memory(const Options *options, MountSource *source)
{
    int fd = open_detached_tmpfs(options->allow_other);
    if (fd < 0)
        fd = open_scratch(&source->scratch);
    if (fd < 0) {
        log_error("%s: cannot make a directory in memory: %s; name a source directory instead",
                  options->mountpoint, strerror(-fd));
        return false;
    }
    source->root = fd;
    source->lock = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return true;
}

bool mount_open_source(const Options *options, MountSource *source)
{
    *source = (MountSource){.root = -1, .lock = -1};
    AUTO_FD int point = open(options->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (point < 0) {
        log_error("%s: %s", options->mountpoint, strerror(errno));
        return false;
    }
    if (!refuse_served(options->mountpoint, point))
        return false;
    return options->source ? open_directory(options->source, source) : open_memory(options, source);
}

void mount_close_source(MountSource *source)
{
    source->root = fd_close(source->root);
    source->lock = fd_close(source->lock);
    if (source->scratch)
        tree_remove(AT_FDCWD, source->scratch);
    g_clear_pointer(&source->scratch, g_free);
}
