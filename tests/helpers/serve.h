/* The client's conversation: a line in, a line out, on descriptors 0 and 1. */
#ifndef LOCKFS_TESTS_SERVE_H
#define LOCKFS_TESTS_SERVE_H

#include <sys/types.h>

/* Serves commands until the end of the input, then exits 0. */
void serve_forever(void) __attribute__((noreturn));

/* Writes one line. */
void serve_answer(const char *reply);

/* "ready PID", with the pid as the /proc that is mounted here names it. */
void serve_greet(void);
pid_t serve_own_pid(void);

#endif
