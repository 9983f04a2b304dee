#include "proc/death-watch.h"

#include "base/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAKE_COOKIE UINT64_MAX
#define BATCH 64

struct DeathWatch {
    int epoll;
    int wake;
};

static int add(const DeathWatch *watch, int fd, uint32_t events, uint64_t cookie)
{
    struct epoll_event event = {.events = events, .data.u64 = cookie};
    return epoll_ctl(watch->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

int death_watch_new(DeathWatch **out)
{
    AUTO_FD int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return -errno;
    AUTO_FD int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake < 0)
        return -errno;
    DeathWatch probe = {.epoll = epoll, .wake = wake};
    int err = add(&probe, wake, EPOLLIN, WAKE_COOKIE);
    if (err)
        return err;
    DeathWatch *watch = malloc(sizeof *watch);
    if (!watch)
        return -ENOMEM;
    *watch = (DeathWatch){.epoll = fd_take(&epoll), .wake = fd_take(&wake)};
    *out = watch;
    return 0;
}

void death_watch_free(DeathWatch *watch)
{
    if (!watch)
        return;
    fd_close(watch->epoll);
    fd_close(watch->wake);
    free(watch);
}

int death_watch_add_process(DeathWatch *watch, int pidfd, uint64_t cookie)
{
    return cookie == WAKE_COOKIE ? -EINVAL : add(watch, pidfd, EPOLLIN, cookie);
}

/* Such a file is always readable; a change of it is EPOLLPRI. */
int death_watch_add_cgroup(DeathWatch *watch, int cgroup_events, uint64_t cookie)
{
    return cookie == WAKE_COOKIE ? -EINVAL : add(watch, cgroup_events, EPOLLPRI, cookie);
}

int death_watch_add_member(DeathWatch *watch, int pidfd, uint64_t cookie)
{
    return cookie == WAKE_COOKIE ? -EINVAL : add(watch, pidfd, EPOLLIN | EPOLLET, cookie);
}

void death_watch_remove(DeathWatch *watch, int fd)
{
    int saved = errno;
    epoll_ctl(watch->epoll, EPOLL_CTL_DEL, fd, NULL);
    errno = saved;
}

void death_watch_wake(DeathWatch *watch)
{
    int saved = errno;
    /* A full counter is a pending wake. */
    ssize_t ignored = write(watch->wake, &(uint64_t){1}, sizeof(uint64_t));
    (void)ignored;
    errno = saved;
}

static void drain(const DeathWatch *watch)
{
    uint64_t count;
    ssize_t ignored = read(watch->wake, &count, sizeof count);
    (void)ignored;
}

int death_watch_wait(DeathWatch *watch, uint64_t *cookies, int max, int timeout_ms)
{
    struct epoll_event events[BATCH];
    int n = epoll_wait(watch->epoll, events, max < BATCH ? max : BATCH, timeout_ms);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    int deaths = 0;
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 == WAKE_COOKIE)
            drain(watch);
        else
            cookies[deaths++] = events[i].data.u64;
    }
    return deaths;
}
