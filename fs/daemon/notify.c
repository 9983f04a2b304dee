#include "daemon/notify.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <glib.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_VARIABLE "NOTIFY_SOCKET"
#define MESSAGE_MAX 1024

/* A manager that is busy is waited for no longer than that. */
#define PATIENCE_S 2

bool notify_is_wanted(void)
{
    const char *path = getenv(SOCKET_VARIABLE);
    return path && (path[0] == '/' || path[0] == '@') && path[1];
}

void notify_disown(void)
{
    unsetenv(SOCKET_VARIABLE);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

static int connect_to_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv(SOCKET_VARIABLE);
    size_t size = path ? strlen(path) : 0;
    if (!path || !notify_is_wanted() || size >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, size);
    if (path[0] == '@')
        address.sun_path[0] = '\0'; /* an abstract name */
    AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
        connect(fd, (struct sockaddr *)&address, length) != 0)
        return -1;
    return fd_take(&fd);
}

/* carried: a descriptor to go with it; -1: none. */
static void send_message(char *text, size_t size, int carried)
{
    AUTO_FD int fd = connect_to_manager();
    struct iovec iov = {text, size};
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd < 0)
        return;
    if (carried >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control.room;
        control.head = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(&control.head), &carried, sizeof carried);
    }
    ssize_t n;
    do
        n = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
}

void notify_send(const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0)
        send_message(text, MIN((size_t)n, sizeof text - 1), -1);
}

void notify_store(const char *name, int fd, bool watched)
{
    char text[MESSAGE_MAX];
    int n =
        snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s%s", name, watched ? "" : "\nFDPOLL=0");
    if (n > 0 && fd >= 0)
        send_message(text, (size_t)n, fd);
}

void notify_drop(const char *name)
{
    notify_send("FDSTOREREMOVE=1\nFDNAME=%s", name);
}

int64_t notify_watchdog_ns(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!notify_is_wanted() || !usec || (pid && atoi(pid) != getpid()))
        return 0;
    return (int64_t)MIN(g_ascii_strtoull(usec, NULL, 10), INT64_MAX / 1000) * 1000;
}
