#include "hammer-method.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int taken(int result)
{
    if (result == 0)
        return 1;
    return errno == EEXIST ? 0 : -errno;
}

static int released(int result)
{
    return result == 0 ? 0 : -errno;
}

static int acquire_mkdir(const char *lock, const char *own)
{
    (void)own;
    return taken(mkdir(lock, 0777));
}

static int release_dir(const char *lock)
{
    return released(rmdir(lock));
}

static int acquire_open(const char *lock, int flags)
{
    int fd = open(lock, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
    if (fd < 0)
        return taken(-1);
    close(fd);
    return 1;
}

static int acquire_excl(const char *lock, const char *own)
{
    (void)own;
    return acquire_open(lock, O_EXCL);
}

static int release_file(const char *lock)
{
    return released(unlink(lock));
}

static int acquire_link(const char *lock, const char *own)
{
    return taken(link(own, lock));
}

static int acquire_symlink(const char *lock, const char *own)
{
    return taken(symlink(own, lock));
}

static int acquire_mkfifo(const char *lock, const char *own)
{
    (void)own;
    return taken(mkfifo(lock, 0666));
}

/* A directory made elsewhere and moved onto the name; the one made by a killed predecessor is used
 * again. */
static int acquire_rename(const char *lock, const char *own)
{
    if (mkdir(own, 0777) < 0 && errno != EEXIST)
        return -errno;
    return taken(renameat2(AT_FDCWD, own, AT_FDCWD, lock, RENAME_NOREPLACE));
}

/* No lock at all, to see that the checker finds it out. */
static int acquire_nothing(const char *lock, const char *own)
{
    (void)own;
    return acquire_open(lock, 0);
}

static int release_nothing(const char *lock)
{
    return unlink(lock) < 0 && errno != ENOENT ? -errno : 0;
}

static const HammerMethod methods[] = {
    {"mkdir", acquire_mkdir, release_dir, false},
    {"excl", acquire_excl, release_file, false},
    {"link", acquire_link, release_file, true},
    {"symlink", acquire_symlink, release_file, false},
    {"mkfifo", acquire_mkfifo, release_file, false},
    {"rename", acquire_rename, release_dir, false},
    {"nothing", acquire_nothing, release_nothing, false},
};

const HammerMethod *hammer_method_find(const char *name)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    return NULL;
}

const char *hammer_method_names(void)
{
    return "mkdir, excl, link, symlink, mkfifo, rename, nothing";
}
