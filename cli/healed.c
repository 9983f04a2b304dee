#include "subcommand.h"
#include "wire/names.h"

#include <stdio.h>
#include <string.h>

static char *show_reason(JsonObject *record, const char *member)
{
    g_autofree char *reason = record_bytes(record, member);
    if (record_node(record, "signal"))
        return g_strdup_printf("signal %d (%s)", (int)record_int(record, "signal"),
                               strsignal((int)record_int(record, "signal")));
    if (record_node(record, "exit_code"))
        return g_strdup_printf("exited %d", (int)record_int(record, "exit_code"));
    return g_strdup(reason);
}

static char *show_kept(JsonObject *record, const char *member)
{
    g_autofree char *until = record_bytes(record, "kept_until");
    return g_strdup(record_true(record, member) ? until : "-");
}

static char *show_size(JsonObject *record, const char *member)
{
    return record_node(record, member)
               ? g_format_size_full((guint64)record_int(record, member), G_FORMAT_SIZE_IEC_UNITS)
               : g_strdup("-");
}

static const TableColumn columns[] = {
    {"path", "PATH", "path", table_name, false, true, true, "the entry, from DIR"},
    {"token", "TOKEN", "token", table_number, true, true, false, "what to give to restore"},
    {"healed", "HEALED", "healed_at", table_text, false, true, false, "when"},
    {"pid", "PID", "owner.pid", table_number, true, true, false, "the owner"},
    {"command", "COMMAND", "owner.comm", table_text, false, true, true, "the owner's command"},
    {"reason", "REASON", "reason", show_reason, false, true, false, "how the owner ended"},
    {"kept", "KEPT-UNTIL", "kept", show_kept, false, true, false, "content, and until when"},
    {"size", "SIZE", "bytes", show_size, true, true, false, "of the content, on the disk"},
    {"kind", "KIND", "kind", table_text, false, false, false, "dir, file, symlink, link or node"},
    {"uid", "UID", "owner.uid", table_number, true, false, false, "the owner's user"},
    {0},
};

Status healed_run(int argc, char **argv)
{
    gboolean json = FALSE;
    char *given = NULL;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an array of objects", NULL},
        {"columns", 'o', 0, G_OPTION_ARG_STRING, &given, "show these columns", "NAME,..."},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    g_autofree char *about = table_help(columns);
    g_autofree const TableColumn **chosen = NULL;
    g_autoptr(JsonArray) records = NULL;
    Status status =
        subcommand_parse(&argc, &argv, entries, "[DIR]",
                         "Lists what was healed or broken below DIR lately, and why.", about, 0, 1);
    g_autofree char *names = given;
    if (status == STATUS_DONE)
        status = table_choose(columns, names, &chosen);
    if (status == STATUS_DONE)
        status = target_open_dir(argc > 1 ? argv[1] : ".", &target);
    if (status == STATUS_DONE)
        status = target_records(&target, NAMES_HEALED, &records);
    if (status != STATUS_DONE)
        return status;
    if (!json) {
        table_print(chosen, records, table_terminal_width(), true);
    } else if (names) {
        g_autoptr(JsonArray) selected = table_select(chosen, records);
        record_print_array(selected);
    } else {
        record_print_array(records);
    }
    return STATUS_DONE;
}
