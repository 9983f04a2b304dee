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
static int log_target = LOG_TO_STDERR;
static int log_max = LOG_LEVEL_INFO;

void log_set_target(LogTarget target)
{
    if (target == LOG_TO_SYSLOG)
        openlog("lockfs", LOG_PID, LOG_DAEMON);
    __atomic_store_n(&log_target, (int)target, __ATOMIC_RELEASE);
}

void log_set_level(LogLevel max)
{
    __atomic_store_n(&log_max, (int)max, __ATOMIC_RELAXED);
}

bool log_enabled(LogLevel level)
{
    return (int)level <= __atomic_load_n(&log_max, __ATOMIC_RELAXED);
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

static void __attribute__((format(printf, 2, 0)))
emit(LogLevel level, const char *format, va_list args)
{
    if (!log_enabled(level))
        return;
    int saved = errno;
    char raw[LINE_MAX_BYTES];
    char line[LINE_MAX_BYTES + 64];
    vsnprintf(raw, sizeof raw, format, args);
    escape_control(line, sizeof line, raw);
    if (__atomic_load_n(&log_target, __ATOMIC_ACQUIRE) == LOG_TO_SYSLOG) {
        syslog(syslog_priority(level), "%s", line);
    } else {
        /* One write, so that lines of several threads do not mix. */
        char whole[LINE_MAX_BYTES + 80];
        int n = snprintf(whole, sizeof whole, "lockfs: %s\n", line);
        ssize_t ignored = write(STDERR_FILENO, whole, (size_t)n);
        (void)ignored;
    }
    errno = saved;
}

#define EMIT(level)                                                                                \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        emit(level, format, args);                                                                 \
        va_end(args);                                                                              \
    } while (0)

void log_error(const char *format, ...)
{
    EMIT(LOG_LEVEL_ERROR);
}

void log_warning(const char *format, ...)
{
    EMIT(LOG_LEVEL_WARNING);
}

void log_info(const char *format, ...)
{
    EMIT(LOG_LEVEL_INFO);
}

void log_debug(const char *format, ...)
{
    EMIT(LOG_LEVEL_DEBUG);
}

bool log_permits(LogLimit *limit)
{
    int64_t now = clock_boot_ns();
    if (now - limit->window_start >= CLOCK_NS_PER_S) {
        if (limit->dropped)
            log_warning("%u more messages like the next were left out", limit->dropped);
        /* After a burst the budget is one a second until a quiet second has passed. */
        limit->in_window = limit->in_window > BURST ? BURST : 0;
        limit->window_start = now;
        limit->dropped = 0;
    }
    if (limit->in_window++ <= BURST)
        return true;
    limit->dropped++;
    return false;
}

void log_limited(LogLimit *limit, const char *format, ...)
{
    if (log_permits(limit))
        EMIT(LOG_LEVEL_WARNING);
}
