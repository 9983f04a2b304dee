#include "daemon/through-mount.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int open_mountpoint(const ThroughMount *through)
{
    AUTO_FD int fd = open(through->mountpoint, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct statx stx;
    if (fd < 0)
        return -ENXIO;
    /* DONT_SYNC: which filesystem it is, is known without asking it. */
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &stx) != 0)
        return -ENXIO;
    dev_t dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
    return dev == through->dev ? fd_take(&fd) : -ENXIO;
}

static int open_inside(int root, const char *path)
{
    struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    };
    int fd = (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof how);
    return fd < 0 ? -errno : fd;
}

static void note_inside(const ThroughMount *through, pid_t thread)
{
    if (through->inside)
        __atomic_store_n(through->inside, (uint32_t)thread, __ATOMIC_RELEASE);
}

static int remove_entry(const ThroughMount *through, const char *dir_path, const char *name,
                        bool is_dir)
{
    AUTO_FD int root = open_mountpoint(through);
    if (root < 0)
        return root;
    AUTO_FD int inside = *dir_path ? open_inside(root, dir_path) : -1;
    if (*dir_path && inside < 0)
        return inside;
    int dir = *dir_path ? inside : root;
    return unlinkat(dir, name, is_dir ? AT_REMOVEDIR : 0) == 0 ? 0 : -errno;
}

int through_mount_remove(void *ctx, const char *dir_path, const char *name, bool is_dir)
{
    const ThroughMount *through = ctx;
    note_inside(through, (pid_t)syscall(SYS_gettid));
    int r = remove_entry(through, dir_path, name, is_dir);
    note_inside(through, 0);
    return r;
}
