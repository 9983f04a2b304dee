/* File descriptors that close themselves.
 *
 *     AUTO_FD int fd = openat(...);
 *     if (fd < 0)
 *         return -errno;
 *     ...
 *     return fd_take(&fd);     // hands the descriptor to the caller
 *
 * Closing never changes errno, so an error path may close and then report.
 */
#ifndef LOCKFS_BASE_FD_H
#define LOCKFS_BASE_FD_H

#include <stdbool.h>
#include <sys/types.h>

#define AUTO_FD __attribute__((cleanup(fd_cleanup)))

/* Closes fd unless it is negative; keeps errno. Returns -1, to be assigned back. */
int fd_close(int fd);

/* Gives up *fd: returns it and leaves -1 behind. */
int fd_take(int *fd);

/* Moves fd to a number of at least `min`, close-on-exec; consumes fd. Negative errno on failure. */
int fd_move_up(int fd, int min);

/* Reads the whole of an open file that has no usable size (procfs) into buf and ends it with NUL.
 * Returns the length, or negative errno; -E2BIG when it does not fit in size - 1 bytes. */
ssize_t fd_read_all(int fd, char *buf, size_t size);

/* Raises the soft limit of descriptors to the hard one. Returns the limit in force. */
unsigned long fd_raise_limit(void);

void fd_cleanup(int *fd);

/* Opens to read without touching the time of access, where that is allowed. -1 with errno set. */
int fd_open_quietly(int dir, const char *name, int flags);

#endif
