#include "subcommand.h"
#include "wire/names.h"

#include <stdio.h>

static void print_member(JsonObject *object, const char *name, JsonNode *node, gpointer lead)
{
    g_autofree char *label = g_strconcat(lead, name, NULL);
    if (JSON_NODE_HOLDS_OBJECT(node)) {
        g_autofree char *deeper = g_strconcat(label, " ", NULL);
        json_object_foreach_member(json_node_get_object(node), print_member, deeper);
        return;
    }
    printf("%-28s %" G_GINT64_FORMAT "\n", label, json_node_get_int(node));
}

Status stats_run(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an object", NULL},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    g_autofree char *text = NULL;
    Status status = subcommand_parse(&argc, &argv, entries, "[DIR]",
                                     "Prints the counters of the mount that DIR is on.",
                                     "Times are nanoseconds, counters are since the mount.", 0, 1);
    if (status == STATUS_DONE)
        status = target_open_dir(argc > 1 ? argv[1] : ".", &target);
    if (status == STATUS_DONE)
        status = target_read(&target, NAMES_STATS, &text);
    if (status != STATUS_DONE)
        return status;
    g_autoptr(JsonObject) stats = record_parse(text, -1);
    if (!stats)
        return status_fail(STATUS_FAILED, target.path, "the mount's answer is not understood");
    if (json)
        record_print_object(stats);
    else
        json_object_foreach_member(stats, print_member, "");
    return STATUS_DONE;
}
