#include "base/crash-point.h"

#ifdef LOCKFS_CRASH_POINTS

#include "base/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <unistd.h>

static void note_passed(const char *file, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.passed", file);
    AUTO_FD int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0)
        dprintf(fd, "%s\n", name);
}

#define STOP "stop "

static void consider(const char *file, const char *name)
{
    AUTO_FD int fd = open(file, O_RDONLY | O_CLOEXEC);
    char wanted[64];
    ssize_t n = fd < 0 ? -1 : read(fd, wanted, sizeof wanted - 1);
    if (n <= 0)
        return;
    wanted[n] = '\0';
    bool stop = strncmp(wanted, STOP, strlen(STOP)) == 0;
    if (strcmp(wanted, "?") == 0)
        note_passed(file, name);
    else if (strcmp(wanted + (stop ? strlen(STOP) : 0), name) == 0 && unlink(file) == 0)
        kill(getpid(), stop ? SIGSTOP : SIGKILL);
}

void crash_point(const char *name)
{
    const char *file = getenv("LOCKFS_CRASH_POINT");
    if (!file)
        return;
    /* The thread may be acting as somebody who cannot reach that file. */
    int user = setfsuid(0), group = setfsgid(0);
    consider(file, name);
    setfsgid((gid_t)group);
    setfsuid((uid_t)user);
}

#endif
