#include "serve.h"

#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void serve_answer(const char *reply)
{
    if (dprintf(STDOUT_FILENO, "%s\n", reply) < 0)
        _exit(1);
}

pid_t serve_own_pid(void)
{
    char text[32] = "";
    ssize_t length = readlink("/proc/self", text, sizeof(text) - 1);
    return length > 0 ? (pid_t)atoi(text) : getpid();
}

void serve_greet(void)
{
    char line[64];
    snprintf(line, sizeof(line), "ready %d", (int)serve_own_pid());
    serve_answer(line);
}

/* Reads no further than the newline, so that an exec or a fork loses nothing. The lines are short.
 */
static char *read_line(void)
{
    size_t size = 256, length = 0;
    char *line = malloc(size);
    for (;;) {
        ssize_t n = read(STDIN_FILENO, line + length, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            free(line);
            return NULL;
        }
        if (line[length] == '\n')
            break;
        if (++length == size)
            line = realloc(line, size *= 2);
    }
    line[length] = '\0';
    return line;
}

void serve_forever(void)
{
    char *line;
    while ((line = read_line())) {
        char *words[COMMAND_MAX_WORDS];
        int n = command_split(line, words);
        char *reply = n < 0 ? strdup("USAGE too many words") : command_run(n, words);
        serve_answer(reply);
        free(reply);
        free(line);
    }
    exit(0);
}
