#include "proc/open-files.h"

#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

typedef struct {
    const Proc *proc;
    const OpenFileId *ids;
    unsigned n;
} Search;

/* Not asked of the filesystem, which may be our own mount: what it is, is known without. */
static bool is_wanted(const Search *search, int dir, const char *name)
{
    struct statx stx;
    if (statx(dir, name, AT_STATX_DONT_SYNC, STATX_INO, &stx) != 0)
        return false;
    for (unsigned i = 0; i < search->n; i++)
        if (stx.stx_ino == search->ids[i].ino &&
            makedev(stx.stx_dev_major, stx.stx_dev_minor) == search->ids[i].dev)
            return true;
    return false;
}

static bool is_for_writing(const Search *search, pid_t pid, const char *name)
{
    char path[64], text[256];
    unsigned flags = 0;
    snprintf(path, sizeof path, "%d/fdinfo/%s", pid, name);
    AUTO_FD int fd = openat(proc_dirfd(search->proc), path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : fd_read_all(fd, text, sizeof text - 1);
    text[len > 0 ? len : 0] = '\0';
    const char *at = strstr(text, "flags:");
    return !at || sscanf(at, "flags: %o", &flags) != 1 || (flags & O_ACCMODE) != O_RDONLY;
}

static int search_process(void *ctx, const Proc *proc, pid_t pid)
{
    const Search *search = ctx;
    char path[32];
    snprintf(path, sizeof path, "%d/fd", pid);
    DIR *dir = proc_opendir(proc, path);
    if (!dir)
        return errno == ENOENT || errno == ESRCH ? 0 : -errno; /* it has ended */
    const struct dirent *entry;
    int found = 0;
    while (!found && (entry = readdir(dir)))
        found = entry->d_name[0] != '.' && is_wanted(search, dirfd(dir), entry->d_name) &&
                is_for_writing(search, pid, entry->d_name);
    closedir(dir);
    return found;
}

int open_files_for_writing(const Proc *proc, const OpenFileId *ids, unsigned n)
{
    Search search = {proc, ids, n};
    return proc_each(proc, search_process, &search);
}
