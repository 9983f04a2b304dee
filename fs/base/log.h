/* What lockfs has to say: to standard error in the foreground; in the background, and where
 * standard error is the journal's, to the system's log (see log-socket.h).
 *
 * A message is one line, names the path or key it is about and the way out. Control characters in
 * it are escaped, because paths are chosen by other people. Fields go to the journal besides, their
 * bytes as they are; every message has LOCKFS_MOUNT there.
 *
 * Decisions that callers can provoke at will (refusals) go through a LogLimit, which lets a burst
 * through and then at most one a second for each of them; how many were left out is told before the
 * next one, or by log_limit_tell().
 */
#ifndef LOCKFS_BASE_LOG_H
#define LOCKFS_BASE_LOG_H

#include "base/log-socket.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    LOG_TO_STDERR,
    LOG_TO_SYSTEM,
} LogTarget;

typedef enum {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
} LogLevel;

typedef struct {
    int64_t window_start; /* boot clock */
    unsigned in_window;
    unsigned dropped;
} LogLimit;

/* All are process-wide, and may be set at any time. Standard error that is the journal's counts as
 * LOG_TO_SYSTEM. The string stays the caller's, and must stay. */
void log_set_target(LogTarget target);
void log_set_level(LogLevel max);
void log_set_mount(const char *mountpoint);
bool log_enabled(LogLevel level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Up to LOG_FIELDS_MAX of them. */
#define LOG_FIELDS_MAX 12
void log_with_fields(LogLevel level, const LogField *fields, size_t n, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* May a message of this kind be written now? For those whose making costs something. */
bool log_permits(LogLimit *limit);

/* When there will be something to tell of what was left out: boot clock; INT64_MAX: never. */
int64_t log_limit_tell_at(const LogLimit *limit);

/* Tells how many were left out, if it is time. */
void log_limit_tell(LogLimit *limit);

/* As log_warning(), at most a burst and then one a second. `limit` belongs to the caller, zeroed at
 * the start, and is to be used from one thread. */
void log_limited(LogLimit *limit, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
