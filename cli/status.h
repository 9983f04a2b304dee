/* Exit statuses, and the one way to say what went wrong. They are documented interface. */
#ifndef LOCKFS_CLI_STATUS_H
#define LOCKFS_CLI_STATUS_H

typedef enum {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_NOT_LOCKFS = 3,
    STATUS_NO_CLAIM = 4,
    STATUS_HELD = 5,
    STATUS_DENIED = 6,
} Status;

/* "lockfs-ctl: PATH: text" on standard error, with the path quoted; returns status. path may be
 * NULL. */
Status status_fail(Status status, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
