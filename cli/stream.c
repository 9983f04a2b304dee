#include "stream.h"

#include "base/clock.h"
#include "base/fd.h"
#include "wire/names.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

Status stream_open(const Target *target, Stream *out)
{
    int fd = openat(target->fd, NAMES_EVENTS, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return status_fail(errno == EACCES ? STATUS_DENIED : STATUS_FAILED, target->path,
                           "cannot read events: %s", g_strerror(errno));
    *out = (Stream){.fd = fd, .text = g_string_new(NULL)};
    return STATUS_DONE;
}

void stream_done(Stream *stream)
{
    fd_close(stream->fd);
    if (stream->text)
        g_string_free(stream->text, TRUE);
}

static int timeout_ms(int64_t deadline)
{
    if (deadline == INT64_MAX)
        return -1;
    int64_t left = deadline - clock_boot_ns();
    return left <= 0 ? 0 : (int)MIN((left + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS, 3600 * 1000);
}

/* 1: more text; 0: the deadline has passed; negative errno. */
static int read_more(Stream *stream, int64_t deadline)
{
    char buf[16 * 1024];
    for (;;) {
        ssize_t n = read(stream->fd, buf, sizeof buf);
        if (n > 0) {
            g_string_append_len(stream->text, buf, n);
            return 1;
        }
        if (n == 0)
            return -ENODEV;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        struct pollfd poll_fd = {.fd = stream->fd, .events = POLLIN};
        int r = poll(&poll_fd, 1, timeout_ms(deadline));
        if (r < 0 && errno != EINTR)
            return -errno;
        if (r == 0 && deadline != INT64_MAX && clock_boot_ns() >= deadline)
            return 0;
    }
}

char *stream_next(Stream *stream, int64_t deadline, int *error)
{
    char *end;
    *error = 0;
    while (!(end = memchr(stream->text->str, '\n', stream->text->len))) {
        int r = read_more(stream, deadline);
        if (r <= 0) {
            *error = r;
            return NULL;
        }
    }
    gssize size = end - stream->text->str;
    char *line = g_strndup(stream->text->str, (gsize)size);
    g_string_erase(stream->text, 0, size + 1);
    return line;
}

bool stream_wait(Stream *stream, int64_t deadline, int *error)
{
    int r = stream->text->len ? 1 : read_more(stream, deadline);
    g_string_truncate(stream->text, 0);
    *error = MIN(r, 0);
    return r > 0;
}
