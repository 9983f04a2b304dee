/* Where a daemon's messages go: the system's journal, by its own protocol, and where there is none,
 * syslog. Datagrams, never waited for: a logger that hangs must not hang a mount.
 *
 * Each message opens a socket of its own, so there is no descriptor to keep, and a logger that was
 * started again is found again. $LOCKFS_JOURNAL_SOCKET and $LOCKFS_SYSLOG_SOCKET are for tests.
 */
#ifndef LOCKFS_BASE_LOG_SOCKET_H
#define LOCKFS_BASE_LOG_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *name;  /* capitals, digits and '_' */
    const char *value; /* any bytes; NULL: left out */
} LogField;

/* 0, or negative errno; -EAGAIN: its queue is full, and the message is lost. What is too long for a
 * datagram goes as a sealed memfd. */
int log_socket_journal(const LogField *fields, size_t n);

/* The same of one line. priority: as for syslog(3), facility included. */
int log_socket_syslog(int priority, const char *line);

/* Is this descriptor a stream to the journal, as systemd gives it to its services? */
bool log_socket_is_journal(int fd);

#endif
