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

#define ORDERS_SIZE 512
#define ALWAYS "always "
#define STOP "stop "
#define EXIT "exit "

static void note_passed(const char *file, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.passed", file);
    AUTO_FD int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd >= 0)
        dprintf(fd, "%s\n", name);
}

/* What is to be done next, in the place of what was. */
static void write_orders(int fd, const char *first, const char *rest)
{
    char text[ORDERS_SIZE];
    int n = snprintf(text, sizeof text, "%s%s%s", first, *first && *rest ? "\n" : "", rest);
    if (n > 0 && ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) != n)
        abort();
}

static bool takes_prefix(const char **text, const char *prefix)
{
    bool has = strncmp(*text, prefix, strlen(prefix)) == 0;
    *text += has ? strlen(prefix) : 0;
    return has;
}

static void obey(const char *file, int fd, const char *name, const char *first, const char *rest)
{
    bool always = takes_prefix(&first, ALWAYS), stop = takes_prefix(&first, STOP);
    bool leave = takes_prefix(&first, EXIT);
    char wanted[64], again[96];
    unsigned pass = 1;
    if (sscanf(first, "%63s %u", wanted, &pass) < 1 || strcmp(wanted, name) != 0)
        return;
    if (pass > 1) {
        snprintf(again, sizeof again, "%s%s %u", stop ? STOP : "", wanted, pass - 1);
        write_orders(fd, again, rest);
        return;
    }
    if (!always && *rest)
        write_orders(fd, "", rest);
    else if (!always && unlink(file) != 0)
        return;
    if (leave)
        exit(3);
    kill(getpid(), stop ? SIGSTOP : SIGKILL);
}

static void consider(const char *file, const char *name)
{
    AUTO_FD int fd = open(file, O_RDWR | O_CLOEXEC);
    char orders[ORDERS_SIZE];
    ssize_t n = fd < 0 ? -1 : read(fd, orders, sizeof orders - 1);
    if (n <= 0)
        return;
    orders[n] = '\0';
    char *rest = strchr(orders, '\n');
    if (rest)
        *rest++ = '\0';
    if (strcmp(orders, "?") == 0)
        note_passed(file, name);
    else
        obey(file, fd, name, orders, rest ? rest : "");
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
