#include "stream.h"
#include "subcommand.h"
#include "wire/names.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char *show_waiters(JsonObject *record, const char *member)
{
    return g_strdup_printf("%u", record_waiters(record));
}

/* The id in the name of the cgroup, as container engines write it; short, as they show it. */
static char *show_container(JsonObject *record, const char *member)
{
    g_autofree char *cgroup = record_bytes(record, member);
    size_t run = 0;
    for (const char *c = cgroup + strlen(cgroup); c-- > cgroup;) {
        run = g_ascii_isxdigit(*c) ? run + 1 : 0;
        if (run == 64)
            return g_strndup(c, 12);
    }
    JsonNode *pids = record_node(record, "owner.ns_pids");
    bool nested =
        pids && JSON_NODE_HOLDS_ARRAY(pids) && json_array_get_length(json_node_get_array(pids)) > 1;
    return g_strdup(nested ? "pidns" : "-");
}

static char *show_command(JsonObject *record, const char *member)
{
    return record_node(record, "owner") ? table_text(record, member) : g_strdup("(unowned)");
}

const TableColumn list_columns[] = {
    {"path", "PATH", "path", table_name, false, true, true, "the entry, from DIR"},
    {"pid", "PID", "owner.pid", table_number, true, true, false, "the owner, as the host counts"},
    {"pid-here", "PID-HERE", "owner.pid_here", table_number, true, false, false,
     "the owner, in the pid namespace of whoever asks"},
    {"command", "COMMAND", "owner.comm", show_command, false, true, true, "the owner's command"},
    {"container", "CONTAINER", "owner.cgroup", show_container, false, true, false,
     "the owner's container"},
    {"held", "HELD", "held_ms", table_duration, true, true, false, "for how long"},
    {"waiters", "WAITERS", "waiters", show_waiters, true, true, false,
     "processes whose attempts failed in the last minute"},
    {"state", "STATE", "state", table_text, false, false, false, "held, unowned or lingering"},
    {"kind", "KIND", "kind", table_text, false, false, false, "dir, file, symlink, link or node"},
    {"token", "TOKEN", "token", table_number, true, false, false, "the fencing token"},
    {"acquired", "ACQUIRED", "acquired_at", table_text, false, false, false, "since when"},
    {"uid", "UID", "owner.uid", table_number, true, false, false, "the owner's user"},
    {"exe", "EXE", "owner.exe", table_name, false, false, true, "the owner's program"},
    {"cgroup", "CGROUP", "owner.cgroup", table_name, false, false, true, "the owner's cgroup"},
    {"rule", "RULE", "rule", table_name, false, false, false, "the glob that made it a lock"},
    {"caller", "CALLER", "caller.comm", table_text, false, false, true, "who called"},
    {0},
};

static int by_age(gconstpointer a, gconstpointer b)
{
    gint64 x = record_int(*(JsonObject *const *)a, "token");
    gint64 y = record_int(*(JsonObject *const *)b, "token");
    return x < y ? -1 : x > y;
}

void list_sort(JsonArray **records)
{
    guint n = json_array_get_length(*records);
    g_autofree JsonObject **all = g_new(JsonObject *, n + 1);
    for (guint i = 0; i < n; i++)
        all[i] = json_array_get_object_element(*records, i);
    qsort(all, n, sizeof *all, by_age);
    JsonArray *sorted = json_array_sized_new(n);
    for (guint i = 0; i < n; i++)
        json_array_add_object_element(sorted, json_object_ref(all[i]));
    json_array_unref(*records);
    *records = sorted;
}

typedef struct {
    gboolean json, watch, no_heading;
    char *columns;
} ListOptions;

static Status print(const Target *target, const TableColumn *const *columns,
                    const ListOptions *options)
{
    g_autoptr(JsonArray) records = NULL;
    Status status = target_records(target, NAMES_LOCKS, &records);
    if (status != STATUS_DONE)
        return status;
    list_sort(&records);
    if (!options->json) {
        table_print(columns, records, table_terminal_width(), !options->no_heading);
    } else if (options->columns) {
        g_autoptr(JsonArray) selected = table_select(columns, records);
        record_print_array(selected);
    } else {
        record_print_array(records);
    }
    fflush(stdout);
    return STATUS_DONE;
}

static Status print_again(const Target *target, const TableColumn *const *columns,
                          const ListOptions *options)
{
    AUTO_STREAM Stream stream = STREAM_NONE;
    Status status = stream_open(target, &stream);
    int error = 0;
    while (status == STATUS_DONE) {
        if (isatty(STDOUT_FILENO))
            fputs("\033[H\033[2J", stdout);
        status = print(target, columns, options);
        if (status == STATUS_DONE && !stream_wait(&stream, INT64_MAX, &error))
            break;
        if (!options->json && !isatty(STDOUT_FILENO))
            putchar('\n');
    }
    return error ? status_fail(STATUS_FAILED, target->path, "%s", g_strerror(-error)) : status;
}

Status list_run(int argc, char **argv)
{
    ListOptions options = {0};
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &options.json, "print an array of objects", NULL},
        {"watch", 'w', 0, G_OPTION_ARG_NONE, &options.watch, "print anew when something happens",
         NULL},
        {"columns", 'o', 0, G_OPTION_ARG_STRING, &options.columns, "show these columns",
         "NAME,..."},
        {"no-heading", 0, 0, G_OPTION_ARG_NONE, &options.no_heading, "leave the heading out", NULL},
        {0},
    };
    g_autofree char *about = table_help(list_columns);
    g_autofree const TableColumn **columns = NULL;
    AUTO_TARGET Target target = TARGET_NONE;
    Status status = subcommand_parse(&argc, &argv, entries, "[DIR]",
                                     "Lists every claim below DIR, the oldest first.", about, 0, 1);
    g_autofree char *names = options.columns;
    if (status == STATUS_DONE)
        status = table_choose(list_columns, names, &columns);
    if (status == STATUS_DONE)
        status = target_open_dir(argc > 1 ? argv[1] : ".", &target);
    if (status != STATUS_DONE)
        return status;
    return options.watch ? print_again(&target, columns, &options)
                         : print(&target, columns, &options);
}
