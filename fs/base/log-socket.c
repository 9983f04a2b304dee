#include "base/log-socket.h"

#include "base/fd.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_PATH "/run/systemd/journal/socket"
#define SYSLOG_PATH "/dev/log"
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

static int address_of(const char *variable, const char *usual, struct sockaddr_un *address)
{
    const char *given = getenv(variable);
    const char *path = given && *given ? given : usual;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path)
        return -ENAMETOOLONG;
    memcpy(address->sun_path, path, strlen(path) + 1);
    return 0;
}

/* A file that nobody can change any more, with this in it; or negative errno. */
static int sealed_file(const char *data, size_t size)
{
    AUTO_FD int fd = memfd_create("lockfs-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, data + done, size - done);
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
        return -errno;
    return fd_take(&fd);
}

static int send_message(int fd, const struct msghdr *message)
{
    return sendmsg(fd, message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static int send_file(int socket_fd, const struct sockaddr_un *to, const char *data, size_t size)
{
    AUTO_FD int file = sealed_file(data, size);
    if (file < 0)
        return file;
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {{0}};
    struct msghdr message = {
        .msg_name = (void *)to,
        .msg_namelen = sizeof *to,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof file);
    memcpy(CMSG_DATA(part), &file, sizeof file);
    return send_message(socket_fd, &message);
}

static int send_to(const struct sockaddr_un *to, const char *data, size_t size, bool or_file)
{
    AUTO_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct iovec iov = {.iov_base = (void *)data, .iov_len = size};
    struct msghdr message = {
        .msg_name = (void *)to, .msg_namelen = sizeof *to, .msg_iov = &iov, .msg_iovlen = 1};
    int r = send_message(fd, &message);
    if (or_file && (r == -EMSGSIZE || r == -ENOBUFS))
        r = send_file(fd, to, data, size);
    return r;
}

/* NAME=value, or, of a value with newlines, its size and its bytes. */
static void append(GString *text, const LogField *field)
{
    size_t size = strlen(field->value);
    g_string_append(text, field->name);
    if (memchr(field->value, '\n', size)) {
        uint64_t le = htole64(size);
        g_string_append_c(text, '\n');
        g_string_append_len(text, (const char *)&le, sizeof le);
    } else {
        g_string_append_c(text, '=');
    }
    g_string_append_len(text, field->value, (gssize)size);
    g_string_append_c(text, '\n');
}

int log_socket_journal(const LogField *fields, size_t n)
{
    struct sockaddr_un to;
    int r = address_of("LOCKFS_JOURNAL_SOCKET", JOURNAL_PATH, &to);
    if (r < 0)
        return r;
    g_autoptr(GString) text = g_string_new(NULL);
    for (size_t i = 0; i < n; i++)
        if (fields[i].value)
            append(text, &fields[i]);
    return send_to(&to, text->str, text->len, true);
}

int log_socket_syslog(int priority, const char *line)
{
    struct sockaddr_un to;
    struct tm tm;
    char date[32];
    time_t now = time(NULL);
    int r = address_of("LOCKFS_SYSLOG_SOCKET", SYSLOG_PATH, &to);
    if (r < 0)
        return r;
    strftime(date, sizeof date, "%h %e %T", localtime_r(&now, &tm));
    g_autofree char *text =
        g_strdup_printf("<%d>%s lockfs[%d]: %s", priority, date, getpid(), line);
    return send_to(&to, text, strlen(text), false);
}

bool log_socket_is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;
    return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(fd, &st) == 0 &&
           st.st_dev == dev && st.st_ino == ino;
}
