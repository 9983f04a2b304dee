/* Prints inotify events as they come.
 *
 *     watch PATH…
 *
 * "ready" once all watches stand, then a line an event: time (CLOCK_MONOTONIC, ns), index of the
 * path among the arguments, mask, 1 for a directory, name ('%' for none). Ends when standard input
 * does.
 */
#include "command.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

static const struct {
    uint32_t bit;
    const char *name;
} masks[] = {
    {IN_CREATE, "CREATE"},         {IN_DELETE, "DELETE"},         {IN_DELETE_SELF, "DELETE_SELF"},
    {IN_MOVED_FROM, "MOVED_FROM"}, {IN_MOVED_TO, "MOVED_TO"},     {IN_MOVE_SELF, "MOVE_SELF"},
    {IN_MODIFY, "MODIFY"},         {IN_ATTRIB, "ATTRIB"},         {IN_CLOSE_WRITE, "CLOSE_WRITE"},
    {IN_IGNORED, "IGNORED"},       {IN_Q_OVERFLOW, "Q_OVERFLOW"}, {IN_UNMOUNT, "UNMOUNT"},
};

static void print_event(const struct inotify_event *event, const int *watches, int n_watches)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int index = 0;
    while (index < n_watches - 1 && watches[index] != event->wd)
        index++;
    for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
        if (!(event->mask & masks[i].bit))
            continue;
        printf("%lld %d %s %d ", (long long)now.tv_sec * 1000000000 + now.tv_nsec, index,
               masks[i].name, (event->mask & IN_ISDIR) != 0);
        command_put(stdout, event->name, event->len ? strlen(event->name) : 0);
        putchar('\n');
    }
}

static bool print_events(int fd, const int *watches, int n_watches)
{
    _Alignas(struct inotify_event) char buf[65536];
    ssize_t length = read(fd, buf, sizeof(buf));
    if (length <= 0)
        return false;
    for (char *at = buf; at < buf + length;) {
        const struct inotify_event *event = (const struct inotify_event *)at;
        print_event(event, watches, n_watches);
        at += sizeof(*event) + event->len;
    }
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    int n = argc - 1;
    int *watches = calloc((size_t)n + 1, sizeof(*watches));
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0 || !watches) {
        free(watches);
        return 1;
    }
    for (int i = 0; i < n; i++) {
        watches[i] = inotify_add_watch(fd, argv[i + 1],
                                       IN_ALL_EVENTS & ~(IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE));
        if (watches[i] < 0) {
            printf("%s %s\n", command_errno_name(errno), argv[i + 1]);
            free(watches);
            return 1;
        }
    }
    puts("ready");
    fflush(stdout);
    struct pollfd polled[] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    while (poll(polled, 2, -1) > 0) {
        if (polled[0].revents && !print_events(fd, watches, n))
            break;
        if (polled[1].revents && !polled[0].revents)
            break;
    }
    free(watches);
    return 0;
}
