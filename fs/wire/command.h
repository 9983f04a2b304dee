/* What is written into `control`: one line, a verb and words. Pure.
 *
 *     show NAME               the claim of a name in this directory
 *     explain NAME [dir]      what would happen if it were made here
 *     break NAME [TOKEN]      end a living claim (only if it is still that one)
 *     transfer NAME PID       make a process the owner
 *     restore TOKEN NAME      give back the content of a healed entry
 *     upgrade [NUMBER]        let the installed program take over; what came of attempt NUMBER
 *     whoami                  the process that asks, as the daemon sees it
 *
 * Words are separated by single spaces; bytes that are no printable ASCII, spaces and '%' are
 * written as %XX. The write(2) fails with what went wrong; when it succeeds, the answer (one JSON
 * object, or nothing) can be read from the same descriptor.
 */
#ifndef LOCKFS_WIRE_COMMAND_H
#define LOCKFS_WIRE_COMMAND_H

#include <glib.h>
#include <stdbool.h>

#define COMMAND_WORDS 4

typedef struct {
    char *words[COMMAND_WORDS]; /* decoded; words[0] is the verb */
    int count;
} Command;

/* false: not a command; *out is untouched. A newline at the end is passed over. Verbs are not
 * checked. */
bool command_parse(const char *line, gsize size, Command *out);
void command_clear(Command *command);

/* Appends a word, and the space before it. */
void command_append(GString *line, const char *word);

#endif
