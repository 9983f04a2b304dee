#include "table.h"

#include "quote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GAP 2
#define NARROWEST 8

char *table_name(JsonObject *record, const char *member)
{
    g_autofree char *name = record_bytes(record, member);
    return *name ? quote_name(name) : g_strdup("-");
}

char *table_text(JsonObject *record, const char *member)
{
    return table_name(record, member);
}

char *table_number(JsonObject *record, const char *member)
{
    return record_node(record, member)
               ? g_strdup_printf("%" G_GINT64_FORMAT, record_int(record, member))
               : g_strdup("-");
}

char *table_process(JsonObject *process)
{
    if (!record_int(process, "pid"))
        return g_strdup("(hidden)");
    g_autofree char *pid = table_number(process, "pid");
    g_autofree char *comm = table_name(process, "comm");
    return record_node(process, "comm") ? g_strdup_printf("%s (%s)", pid, comm)
                                        : g_steal_pointer(&pid);
}

char *table_span(gint64 ms)
{
    gint64 s = ms / 1000;
    if (s < 60)
        return g_strdup_printf("%" G_GINT64_FORMAT "s", s);
    if (s < 3600)
        return g_strdup_printf("%dm%02ds", (int)(s / 60), (int)(s % 60));
    if (s < 86400)
        return g_strdup_printf("%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
    return g_strdup_printf("%" G_GINT64_FORMAT "d%dh", s / 86400, (int)(s / 3600 % 24));
}

char *table_duration(JsonObject *record, const char *member)
{
    return table_span(record_int(record, member));
}

static const TableColumn *find(const TableColumn *columns, const char *name)
{
    for (; columns->name; columns++)
        if (strcmp(columns->name, name) == 0)
            return columns;
    return NULL;
}

Status table_choose(const TableColumn *columns, const char *names, const TableColumn ***chosen)
{
    GPtrArray *list = g_ptr_array_new();
    g_auto(GStrv) wanted = names ? g_strsplit(names, ",", -1) : NULL;
    for (const TableColumn *column = columns; !names && column->name; column++)
        if (column->shown)
            g_ptr_array_add(list, (gpointer)column);
    for (char **name = wanted; name && *name; name++) {
        const TableColumn *column = find(columns, *name);
        if (!column) {
            g_ptr_array_unref(list);
            return status_fail(STATUS_USAGE, NULL, "unknown column '%s'; --help lists them", *name);
        }
        g_ptr_array_add(list, (gpointer)column);
    }
    g_ptr_array_add(list, NULL);
    *chosen = (const TableColumn **)g_ptr_array_free(list, FALSE);
    return STATUS_DONE;
}

static guint count_of(const TableColumn *const *columns)
{
    guint n = 0;
    while (columns[n])
        n++;
    return n;
}

/* Rows of cells; the first is the heading. */
static GPtrArray *make_cells(const TableColumn *const *columns, JsonArray *records, bool heading)
{
    guint n = count_of(columns);
    GPtrArray *rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    if (heading) {
        char **row = g_new0(char *, n + 1);
        for (guint c = 0; c < n; c++)
            row[c] = g_strdup(columns[c]->heading);
        g_ptr_array_add(rows, row);
    }
    for (guint i = 0; i < json_array_get_length(records); i++) {
        JsonObject *record = json_array_get_object_element(records, i);
        char **row = g_new0(char *, n + 1);
        for (guint c = 0; c < n; c++)
            row[c] = columns[c]->text(record, columns[c]->member);
        g_ptr_array_add(rows, row);
    }
    return rows;
}

/* Takes what is too much from the columns that shrink, the widest first. */
static void fit(const TableColumn *const *columns, int *widths, guint n, int width)
{
    int total = (int)(n - 1) * GAP;
    for (guint c = 0; c < n; c++)
        total += widths[c];
    while (width && total > width) {
        int widest = -1;
        for (guint c = 0; c < n; c++)
            if (columns[c]->shrinks && widths[c] > NARROWEST &&
                (widest < 0 || widths[c] > widths[widest]))
                widest = (int)c;
        if (widest < 0)
            return;
        widths[widest]--;
        total--;
    }
}

static char *make_line(const TableColumn *const *columns, char **row, const int *widths, guint n)
{
    GString *line = g_string_new(NULL);
    for (guint c = 0; c < n; c++) {
        g_autofree char *cell = quote_shorten(row[c], widths[c]);
        int pad = widths[c] - quote_width(cell);
        if (columns[c]->right)
            g_string_append_printf(line, "%*s%s", pad, "", cell);
        else if (c + 1 < n)
            g_string_append_printf(line, "%s%*s", cell, pad, "");
        else
            g_string_append(line, cell);
        if (c + 1 < n)
            g_string_append_printf(line, "%*s", GAP, "");
    }
    return g_string_free(line, FALSE);
}

GPtrArray *table_lines(const TableColumn *const *columns, JsonArray *records, int width,
                       bool heading)
{
    guint n = count_of(columns);
    g_autofree int *widths = g_new0(int, n);
    g_autoptr(GPtrArray) rows = make_cells(columns, records, heading);
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < rows->len; i++) {
        char **row = g_ptr_array_index(rows, i);
        for (guint c = 0; c < n; c++)
            widths[c] = MAX(widths[c], quote_width(row[c]));
    }
    fit(columns, widths, n, width);
    for (guint i = 0; i < rows->len; i++)
        g_ptr_array_add(lines, make_line(columns, g_ptr_array_index(rows, i), widths, n));
    return lines;
}

void table_print(const TableColumn *const *columns, JsonArray *records, int width, bool heading)
{
    g_autoptr(GPtrArray) lines = table_lines(columns, records, width, heading);
    for (guint i = 0; i < lines->len; i++)
        puts(g_ptr_array_index(lines, i));
}

JsonArray *table_select(const TableColumn *const *columns, JsonArray *records)
{
    JsonArray *out = json_array_new();
    for (guint i = 0; i < json_array_get_length(records); i++) {
        JsonObject *record = json_array_get_object_element(records, i);
        JsonObject *row = json_object_new();
        for (guint c = 0; columns[c]; c++) {
            JsonNode *node = record_node(record, columns[c]->member);
            g_autofree char *exact = g_strconcat(columns[c]->member, "_base64", NULL);
            g_autofree char *exact_name = g_strconcat(columns[c]->name, "_base64", NULL);
            JsonNode *bytes = record_node(record, exact);
            json_object_set_member(row, columns[c]->name,
                                   node ? json_node_copy(node) : json_node_new(JSON_NODE_NULL));
            if (bytes)
                json_object_set_member(row, exact_name, json_node_copy(bytes));
        }
        json_array_add_object_element(out, row);
    }
    return out;
}

char *table_help(const TableColumn *columns)
{
    GString *out = g_string_new("Columns (* shown without -o):\n");
    for (; columns->name; columns++)
        g_string_append_printf(out, "  %-12s %s %s\n", columns->name, columns->shown ? "*" : " ",
                               columns->help);
    return g_string_free(out, FALSE);
}

int table_terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}
