/* What lockfs has to say: to standard error in the foreground, to syslog in the background.
 *
 * A message is one line, names the path or key it is about and the way out. Control characters in
 * it are escaped, because paths are chosen by other people.
 *
 * Decisions that callers can provoke at will (refusals) go through log_limited(), which lets
 * a burst through and then at most one a second for each call site, with the count of those left
 * out.
 */
#ifndef LOCKFS_BASE_LOG_H
#define LOCKFS_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    LOG_TO_STDERR,
    LOG_TO_SYSLOG,
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

/* Both are process-wide, and may be set at any time. */
void log_set_target(LogTarget target);
void log_set_level(LogLevel max);
bool log_enabled(LogLevel level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* May a message of this kind be written now? For those whose making costs something. */
bool log_permits(LogLimit *limit);

/* As log_warning(), at most a burst and then one a second. `limit` belongs to the caller, zeroed at
 * the start, and is to be used from one thread. */
void log_limited(LogLimit *limit, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
