/* Tables of records: one list of columns is the text, the JSON and the help. */
#ifndef LOCKFS_CLI_TABLE_H
#define LOCKFS_CLI_TABLE_H

#include "record.h"
#include "status.h"

#include <stdbool.h>

typedef struct {
    const char *name;    /* for -o, and the key in JSON */
    const char *heading; /* of the text */
    const char *member;  /* where the JSON value is in the record */
    char *(*text)(JsonObject *record, const char *member); /* what to show */
    bool right;                                            /* numbers */
    bool shown;                                            /* without -o */
    bool shrinks;                                          /* when the terminal is too narrow */
    const char *help;
} TableColumn;

/* Ways to show a member. */
char *table_name(JsonObject *record, const char *member);
char *table_number(JsonObject *record, const char *member);

/* "4711 (node)" of an object that is a process; "(hidden)" where its number is kept back. */
char *table_process(JsonObject *process);
char *table_text(JsonObject *record, const char *member);
char *table_duration(JsonObject *record, const char *member);

/* Milliseconds as people say them: 12s, 3m04s, 2h10m, 5d3h. Free with g_free(). */
char *table_span(gint64 ms);

/* The columns named in `names` (comma-separated; NULL: the usual ones), as a NULL-terminated array
 * to be freed. Columns end with a NULL name. */
Status table_choose(const TableColumn *columns, const char *names, const TableColumn ***chosen);

/* Fits into `width` columns; 0: no limit. */
void table_print(const TableColumn *const *columns, JsonArray *records, int width, bool heading);

/* Lines of the same table, for a screen. Free with g_ptr_array_unref(). */
GPtrArray *table_lines(const TableColumn *const *columns, JsonArray *records, int width,
                       bool heading);

/* The chosen columns only. */
JsonArray *table_select(const TableColumn *const *columns, JsonArray *records);

/* For --help: one line a column. Free with g_free(). */
char *table_help(const TableColumn *columns);

/* Width of the terminal on standard output; 0: it is none. */
int table_terminal_width(void);

#endif
