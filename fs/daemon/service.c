#include "daemon/service.h"

#include "base/fd.h"
#include "daemon/notify.h"

#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define CONNECTION "lockfs-connection"
#define STATE "lockfs-state"
#define SOURCE "lockfs-source"

/* As sd_listen_fds(3) has it. */
#define FIRST_FD 3

static int *slot_for(ServiceFds *fds, const char *name)
{
    if (g_strcmp0(name, CONNECTION) == 0)
        return &fds->connection;
    if (g_strcmp0(name, STATE) == 0)
        return &fds->state;
    return g_strcmp0(name, SOURCE) == 0 ? &fds->source : NULL;
}

static void sort_out(int count, const char *names, ServiceFds *fds)
{
    g_auto(GStrv) each = g_strsplit(names, ":", -1);
    int named = (int)g_strv_length(each);
    for (int i = 0; i < count; i++) {
        int fd = FIRST_FD + i;
        int *slot = i < named ? slot_for(fds, each[i]) : NULL;
        if (slot && *slot < 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
            *slot = fd;
        else
            fd_close(fd);
    }
}

bool service_given(ServiceFds *fds)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    *fds = (ServiceFds){-1, -1, -1};
    if (pid && count && names && atoi(pid) == getpid())
        sort_out(atoi(count), names, fds);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (fds->connection >= 0 && fds->state >= 0 && fds->source >= 0)
        return true;
    if (fds->connection >= 0 || fds->state >= 0 || fds->source >= 0)
        service_give_up(fds);
    return false;
}

bool service_is_mounted(const ServiceFds *fds)
{
    struct pollfd connection = {.fd = fds->connection};
    return poll(&connection, 1, 0) == 0;
}

void service_give_up(ServiceFds *fds)
{
    if (fds->source >= 0)
        flock(fds->source, LOCK_UN); /* the manager's copy holds it as well */
    notify_drop(CONNECTION);
    notify_drop(STATE);
    notify_drop(SOURCE);
    fds->connection = fd_close(fds->connection);
    fds->state = fd_close(fds->state);
    fds->source = fd_close(fds->source);
}

/* A message has its values on a line each. */
static char *in_a_line(const char *path)
{
    char *text = g_strdup(path);
    for (char *at = text; *at; at++)
        if (g_ascii_iscntrl(*at))
            *at = '?';
    return text;
}

void service_ready(const ServiceFds *fds, const char *mountpoint, bool moved)
{
    if (!notify_is_wanted())
        return;
    notify_store(CONNECTION, fds->connection, true);
    notify_store(STATE, fds->state, false);
    notify_store(SOURCE, fds->source, false);
    g_autofree char *shown = in_a_line(mountpoint);
    if (moved)
        notify_send("MAINPID=%d", getpid());
    notify_send("READY=1\nSTATUS=Serving %s", shown);
}

void service_replaced(const char *mountpoint, unsigned workers, const char *cause)
{
    g_autofree char *shown = in_a_line(mountpoint);
    notify_send("STATUS=Serving %s, by worker %u: %s", shown, workers, cause);
}

void service_ending(void)
{
    notify_send("STOPPING=1");
}

void service_ended(int source)
{
    if (notify_is_wanted())
        service_give_up(&(ServiceFds){-1, -1, source});
}
