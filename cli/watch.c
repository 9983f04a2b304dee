#include "stream.h"
#include "subcommand.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *color_of(const char *event)
{
    if (strcmp(event, "acquired") == 0)
        return "\033[32m";
    if (strcmp(event, "healed") == 0 || strcmp(event, "broken") == 0 || strcmp(event, "lost") == 0)
        return "\033[31m";
    if (strcmp(event, "contended") == 0 || strcmp(event, "refused") == 0)
        return "\033[33m";
    return "";
}

static void add_process(GString *out, JsonObject *event, const char *member, const char *lead)
{
    JsonNode *node = record_node(event, member);
    if (!node || !JSON_NODE_HOLDS_OBJECT(node))
        return;
    g_autofree char *process = table_process(json_node_get_object(node));
    g_string_append_printf(out, "  %s %s", lead, process);
}

static void print_event(JsonObject *event, bool colored)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *what = record_bytes(event, "event");
    g_autofree char *at = record_bytes(event, "at");
    g_autofree char *path = table_name(event, "path");
    g_autofree char *reason = record_bytes(event, "reason");
    if (strcmp(what, "lost") == 0) {
        printf("%" G_GINT64_FORMAT " events were lost: this reader was too slow, or lockfs died\n",
               record_int(event, "count"));
        return;
    }
    g_string_append_printf(out, "%s  %s%-11s%s  %s", at, colored ? color_of(what) : "", what,
                           colored ? "\033[0m" : "", path);
    add_process(out, event, "owner", "owner");
    add_process(out, event, "waiter", "waiter");
    add_process(out, event, "by", "by");
    if (*reason)
        g_string_append_printf(out, "  %s", reason);
    if (record_node(event, "signal"))
        g_string_append_printf(out, " by signal %d (%s)", (int)record_int(event, "signal"),
                               strsignal((int)record_int(event, "signal")));
    puts(out->str);
}

Status watch_run(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an object on each line", NULL},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    AUTO_STREAM Stream stream = STREAM_NONE;
    bool colored = isatty(STDOUT_FILENO) && !g_getenv("NO_COLOR");
    int error = 0;
    Status status =
        subcommand_parse(&argc, &argv, entries, "[DIR]",
                         "Prints what happens to claims below DIR, as it happens.", NULL, 0, 1);
    if (status == STATUS_DONE)
        status = target_open_dir(argc > 1 ? argv[1] : ".", &target);
    if (status == STATUS_DONE)
        status = stream_open(&target, &stream);
    while (status == STATUS_DONE) {
        g_autofree char *line = stream_next(&stream, INT64_MAX, &error);
        g_autoptr(JsonObject) event = line && !json ? record_parse(line, -1) : NULL;
        if (!line)
            return status_fail(STATUS_FAILED, target.path, "%s", g_strerror(-error));
        if (json)
            puts(line);
        else if (event)
            print_event(event, colored);
        fflush(stdout);
    }
    return status;
}
