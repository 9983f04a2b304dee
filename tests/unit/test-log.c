/* What is sent to the journal and to syslog: to sockets of our own. */
#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
    char *dir, *path;
    int fd;
} Logger;

static void logger_open(Logger *logger, const char *variable)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    logger->dir = g_dir_make_tmp(NULL, NULL);
    logger->path = g_build_filename(logger->dir, "socket", NULL);
    g_strlcpy(address.sun_path, logger->path, sizeof address.sun_path);
    logger->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(bind(logger->fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    setenv(variable, logger->path, 1);
}

static void logger_close(Logger *logger)
{
    fd_close(logger->fd);
    g_unlink(logger->path);
    g_rmdir(logger->dir);
    g_free(logger->path);
    g_free(logger->dir);
}

/* What came, or what is in the file that came. */
static GString *logger_next(Logger *logger)
{
    char data[8192], space[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {data, sizeof data};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    ssize_t n = recvmsg(logger->fd, &message, 0);
    g_assert_cmpint(n, >=, 0);
    const struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    if (!part)
        return g_string_new_len(data, n);
    int file;
    struct stat st;
    memcpy(&file, CMSG_DATA(part), sizeof file);
    g_assert_cmpint(fstat(file, &st), ==, 0);
    g_assert_cmpint(fcntl(file, F_GET_SEALS) & F_SEAL_WRITE, !=, 0);
    GString *text = g_string_sized_new((gsize)st.st_size);
    g_string_set_size(text, (gsize)st.st_size);
    g_assert_cmpint(pread(file, text->str, text->len, 0), ==, st.st_size);
    close(file);
    return text;
}

static void test_journal(void)
{
    Logger logger;
    logger_open(&logger, "LOCKFS_JOURNAL_SOCKET");
    const LogField fields[] = {{"A", "x=y"}, {"LEFT_OUT", NULL}, {"B", "two\nlines"}};
    g_assert_cmpint(log_socket_journal(fields, 3), ==, 0);
    g_autoptr(GString) got = logger_next(&logger);
    static const char want[] = "A=x=y\nB\n\x09\0\0\0\0\0\0\0two\nlines\n";
    g_assert_cmpmem(got->str, got->len, want, sizeof want - 1);
    logger_close(&logger);
}

static void test_long(void)
{
    Logger logger;
    logger_open(&logger, "LOCKFS_JOURNAL_SOCKET");
    g_autofree char *value = g_strnfill(2 * 1024 * 1024, 'x');
    const LogField fields[] = {{"A", value}};
    g_assert_cmpint(log_socket_journal(fields, 1), ==, 0);
    g_autoptr(GString) got = logger_next(&logger);
    g_assert_cmpuint(got->len, ==, strlen(value) + 3);
    g_assert_true(g_str_has_prefix(got->str, "A=xxx"));
    logger_close(&logger);
}

/* Nobody reads: it is not waited for, and what was lost is told. */
static void test_full(void)
{
    Logger logger;
    logger_open(&logger, "LOCKFS_JOURNAL_SOCKET");
    log_set_target(LOG_TO_SYSTEM);
    for (int i = 0; i < 100000; i++)
        log_info("message");
    const LogField fields[] = {{"A", "b"}};
    g_assert_cmpint(log_socket_journal(fields, 1), ==, -EAGAIN);
    char data[4096];
    while (read(logger.fd, data, sizeof data) > 0)
        ;
    log_info("there is room again");
    g_autoptr(GString) lost = logger_next(&logger), next = logger_next(&logger);
    g_assert_nonnull(strstr(lost->str, "messages were lost"));
    g_assert_nonnull(strstr(next->str, "MESSAGE=there is room again\nPRIORITY=6\n"));
    log_set_target(LOG_TO_STDERR);
    logger_close(&logger);
}

static void test_syslog(void)
{
    Logger logger;
    setenv("LOCKFS_JOURNAL_SOCKET", "/nonexistent/socket", 1);
    logger_open(&logger, "LOCKFS_SYSLOG_SOCKET");
    log_set_target(LOG_TO_SYSTEM);
    log_warning("a\nb");
    log_set_target(LOG_TO_STDERR);
    g_autoptr(GString) got = logger_next(&logger);
    g_assert_true(g_regex_match_simple(
        "^<28>\\w{3} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d lockfs\\[\\d+\\]: a\\\\x0ab$", got->str, 0, 0));
    logger_close(&logger);
}

static void test_journal_stream(void)
{
    struct stat st;
    g_assert_cmpint(fstat(STDERR_FILENO, &st), ==, 0);
    g_autofree char *stream =
        g_strdup_printf("%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    unsetenv("JOURNAL_STREAM");
    g_assert_false(log_socket_is_journal(STDERR_FILENO));
    setenv("JOURNAL_STREAM", stream, 1);
    g_assert_true(log_socket_is_journal(STDERR_FILENO));
    setenv("JOURNAL_STREAM", "1:1", 1);
    g_assert_false(log_socket_is_journal(STDERR_FILENO));
}

static void test_limit(void)
{
    LogLimit limit = {0};
    int permitted = 0;
    log_set_level(LOG_LEVEL_ERROR);
    for (int i = 0; i < 1000; i++)
        permitted += log_permits(&limit);
    g_assert_cmpint(permitted, >=, 6);
    g_assert_cmpint(permitted, <, 100);
    g_assert_cmpuint(limit.dropped, >, 0);
    g_assert_cmpint(log_limit_tell_at(&limit), <, INT64_MAX);
    limit.window_start = 0;
    log_limit_tell(&limit);
    g_assert_cmpuint(limit.dropped, ==, 0);
    g_assert_cmpint(log_limit_tell_at(&limit), ==, INT64_MAX);
    log_set_level(LOG_LEVEL_INFO);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/log/journal", test_journal);
    g_test_add_func("/log/long", test_long);
    g_test_add_func("/log/full", test_full);
    g_test_add_func("/log/syslog", test_syslog);
    g_test_add_func("/log/journal-stream", test_journal_stream);
    g_test_add_func("/log/limit", test_limit);
    return g_test_run();
}
