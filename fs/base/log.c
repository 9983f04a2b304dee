#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define BURST 5

/* The one piece of process-wide state: a log is the process's, like its standard error. Read and
 * set atomically. */
static struct {
    int target, max;
    const char *mount;
    unsigned lost; /* messages that found the log's queue full */
} log_process = {.target = LOG_TO_STDERR, .max = LOG_LEVEL_INFO};

void log_set_target(LogTarget target)
{
    if (target == LOG_TO_STDERR && log_socket_is_journal(STDERR_FILENO))
        target = LOG_TO_SYSTEM;
    __atomic_store_n(&log_process.target, (int)target, __ATOMIC_RELEASE);
}

void log_set_mount(const char *mountpoint)
{
    __atomic_store_n(&log_process.mount, mountpoint, __ATOMIC_RELEASE);
}

void log_set_level(LogLevel max)
{
    __atomic_store_n(&log_process.max, (int)max, __ATOMIC_RELAXED);
}

bool log_enabled(LogLevel level)
{
    return (int)level <= __atomic_load_n(&log_process.max, __ATOMIC_RELAXED);
}

/* Paths are chosen by others: a newline or an escape sequence must not forge a line. */
static void escape_control(char *out, size_t size, const char *in)
{
    size_t n = 0;
    for (; *in && n + 5 < size; in++) {
        unsigned char c = (unsigned char)*in;
        if (c < 0x20 || c == 0x7f)
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
        else
            out[n++] = (char)c;
    }
    out[n] = '\0';
}

static int syslog_priority(LogLevel level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return LOG_ERR;
    case LOG_LEVEL_WARNING:
        return LOG_WARNING;
    case LOG_LEVEL_INFO:
        return LOG_INFO;
    case LOG_LEVEL_DEBUG:
        return LOG_DEBUG;
    }
    return LOG_ERR;
}

static int send_to_journal(LogLevel level, const char *line, const LogField *fields, size_t n)
{
    const char priority[] = {(char)('0' + syslog_priority(level)), '\0'};
    LogField all[LOG_FIELDS_MAX + 4] = {
        {"MESSAGE", line},
        {"PRIORITY", priority},
        {"SYSLOG_IDENTIFIER", "lockfs"},
        {"LOCKFS_MOUNT", __atomic_load_n(&log_process.mount, __ATOMIC_ACQUIRE)},
    };
    n = n < LOG_FIELDS_MAX ? n : LOG_FIELDS_MAX;
    if (fields && n)
        memcpy(all + 4, fields, n * sizeof *fields);
    return log_socket_journal(all, n + 4);
}

static int send_to_system(LogLevel level, const char *line, const LogField *fields, size_t n)
{
    int r = send_to_journal(level, line, fields, n);
    return r == 0 || r == -EAGAIN ? r
                                  : log_socket_syslog(LOG_DAEMON | syslog_priority(level), line);
}

/* One write, so that lines of several threads do not mix. */
static void write_to_stderr(const char *line)
{
    char whole[LINE_MAX_BYTES + 80];
    int n = snprintf(whole, sizeof whole, "lockfs: %s\n", line);
    ssize_t ignored = write(STDERR_FILENO, whole, (size_t)n);
    (void)ignored;
}

/* What was lost is told once there is room again. */
static void tell_lost(void)
{
    char line[80];
    unsigned lost = __atomic_exchange_n(&log_process.lost, 0, __ATOMIC_RELAXED);
    if (!lost)
        return;
    snprintf(line, sizeof line, "%u messages were lost: the log did not take them", lost);
    if (send_to_system(LOG_LEVEL_WARNING, line, NULL, 0) == -EAGAIN)
        __atomic_fetch_add(&log_process.lost, lost, __ATOMIC_RELAXED);
}

static void __attribute__((format(printf, 4, 0)))
emit(LogLevel level, const LogField *fields, size_t n, const char *format, va_list args)
{
    if (!log_enabled(level))
        return;
    int saved = errno;
    char raw[LINE_MAX_BYTES];
    char line[LINE_MAX_BYTES + 64];
    vsnprintf(raw, sizeof raw, format, args);
    escape_control(line, sizeof line, raw);
    if (__atomic_load_n(&log_process.target, __ATOMIC_ACQUIRE) == LOG_TO_STDERR) {
        write_to_stderr(line);
    } else {
        tell_lost();
        if (send_to_system(level, line, fields, n) == -EAGAIN)
            __atomic_fetch_add(&log_process.lost, 1, __ATOMIC_RELAXED);
    }
    errno = saved;
}

#define EMIT(level, fields, n)                                                                     \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        emit(level, fields, n, format, args);                                                      \
        va_end(args);                                                                              \
    } while (0)

void log_error(const char *format, ...)
{
    EMIT(LOG_LEVEL_ERROR, NULL, 0);
}

void log_warning(const char *format, ...)
{
    EMIT(LOG_LEVEL_WARNING, NULL, 0);
}

void log_info(const char *format, ...)
{
    EMIT(LOG_LEVEL_INFO, NULL, 0);
}

void log_debug(const char *format, ...)
{
    EMIT(LOG_LEVEL_DEBUG, NULL, 0);
}

void log_with_fields(LogLevel level, const LogField *fields, size_t n, const char *format, ...)
{
    EMIT(level, fields, n);
}

int64_t log_limit_tell_at(const LogLimit *limit)
{
    return limit->dropped ? limit->window_start + CLOCK_NS_PER_S : INT64_MAX;
}

void log_limit_tell(LogLimit *limit)
{
    char count[16];
    if (clock_boot_ns() < log_limit_tell_at(limit))
        return;
    snprintf(count, sizeof count, "%u", limit->dropped);
    const LogField fields[] = {{"LOCKFS_EVENT", "suppressed"}, {"LOCKFS_COUNT", count}};
    limit->dropped = 0;
    log_with_fields(LOG_LEVEL_WARNING, fields, 2,
                    "%s more messages like the last ones were left out", count);
}

bool log_permits(LogLimit *limit)
{
    int64_t now = clock_boot_ns();
    log_limit_tell(limit);
    if (now - limit->window_start >= CLOCK_NS_PER_S) {
        /* After a burst the budget is one a second until a quiet second has passed. */
        limit->in_window = limit->in_window > BURST ? BURST : 0;
        limit->window_start = now;
    }
    if (limit->in_window++ <= BURST)
        return true;
    limit->dropped++;
    return false;
}

void log_limited(LogLimit *limit, const char *format, ...)
{
    if (log_permits(limit))
        EMIT(LOG_LEVEL_WARNING, NULL, 0);
}
