/* Names as they are shown: whatever a name holds, one line, no escape sequences, and fit to be
 * pasted into a shell. */
#ifndef LOCKFS_CLI_QUOTE_H
#define LOCKFS_CLI_QUOTE_H

#include <glib.h>

/* As it is when it is plain; 'in quotes' with spaces and the like; $'in C style' with bytes that
 * are not printable or not UTF-8. Free with g_free(). */
char *quote_name(const char *name);

/* Columns on a terminal. */
int quote_width(const char *text);

/* At most `width` columns, shortened in the middle. Free with g_free(). */
char *quote_shorten(const char *text, int width);

#endif
