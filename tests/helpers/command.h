/* The commands of the client, one system call each.
 *
 * A command is a row in one of the tables below. Its function gets the decoded words, the command's
 * own name first, writes the value of the answer to `value`, and returns 0, a negative errno, or
 * COMMAND_ANSWERED when `value` holds the whole reply. All may run in any thread; none keeps state
 * but descriptors.
 */
#ifndef LOCKFS_TESTS_COMMAND_H
#define LOCKFS_TESTS_COMMAND_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

enum {
    COMMAND_ANSWERED = 1,
    COMMAND_MAX_WORDS = 256
};

typedef int CommandFn(int argc, char **argv, FILE *value);

typedef struct {
    const char *name;
    int min_args;
    int max_args; /* -1: any number */
    CommandFn *run;
} Command;

/* Each ends with a row without a name. */
extern const Command command_path_table[];
extern const Command command_fd_table[];
extern const Command command_process_table[];
extern const Command command_uring_table[];
extern const Command command_posix_table[];
extern const Command command_acl_table[];

/* Runs one command and returns its reply, to be freed: "ok …", the name of an error, or "USAGE …".
 */
char *command_run(int argc, char **argv);

/* Cuts a line into decoded words, in place. The number of words, or -E2BIG. */
int command_split(char *line, char **words);

/* Writes a value as one word. */
void command_put(FILE *out, const char *bytes, size_t length);

/* The error's name, as in EBUSY. */
const char *command_errno_name(int error);

/* 0 for success, else the negative errno of the call that just returned `result`. */
int command_result(long result);

/* Parse an argument, or exit with a message: a wrong test is not an answer to be compared. */
long long command_number(const char *text);
mode_t command_mode(int argc, char **argv, int index, mode_t fallback);

/* Writes all fields of a file, as `name=value` words. */
struct stat;
void command_put_stat(FILE *out, const struct stat *st);

#endif
