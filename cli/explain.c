#include "quote.h"
#include "subcommand.h"

#include <stdio.h>
#include <string.h>

static void print_rule(JsonObject *rule, const char *lead)
{
    g_autofree char *kind = record_bytes(rule, "kind");
    g_autofree char *pattern = table_name(rule, "pattern");
    g_autofree char *origin = record_bytes(rule, "origin");
    printf("%s%s=%s (%s)\n", lead, kind, pattern, origin);
}

static void print_lock(JsonObject *answer)
{
    g_autofree char *owner = record_bytes(answer, "rule.owner");
    g_autofree char *release = record_bytes(answer, "rule.release");
    g_autofree char *create = record_bytes(answer, "rule.create");
    printf("A lock: %s create makes a claim of the %s.\n",
           strcmp(create, "any") == 0 ? "any" : "an exclusive", owner);
    printf("Removed by: %s. When the owner dies it is gone.\n",
           strcmp(release, "anyone") == 0 ? "anyone" : "the owner and its descendants");
}

static void print_answer(const char *path, JsonObject *answer)
{
    g_autofree char *shown = quote_name(path);
    g_autofree char *result = record_bytes(answer, "result");
    g_autofree char *unowned = record_bytes(answer, "unowned");
    JsonNode *rule = record_node(answer, "rule");
    JsonNode *matching = record_node(answer, "matching");
    printf("%s\n", shown);
    if (strcmp(result, "lock") == 0)
        print_lock(answer);
    else
        puts("Data: it behaves as on any filesystem, and is never removed by lockfs.");
    if (rule)
        print_rule(json_node_get_object(rule), "Decided by: ");
    else
        puts("No rule matches.");
    JsonArray *all = matching ? json_node_get_array(matching) : NULL;
    for (guint i = 0; all && i + 1 < json_array_get_length(all); i++)
        print_rule(json_array_get_object_element(all, i), "Overruled:  ");
    if (record_true(answer, "held"))
        puts("It is held now: lockfs-ctl show says by whom.");
    else if (*unowned)
        printf("It was there before lockfs, and nobody is known to own it: %s.\n", unowned);
    else if (record_true(answer, "exists"))
        puts("It exists now, and is nobody's claim.");
}

Status explain_run(int argc, char **argv)
{
    gboolean json = FALSE, file = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an object", NULL},
        {"file", 'f', 0, G_OPTION_ARG_NONE, &file, "as a file; else as a directory", NULL},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    g_autoptr(JsonObject) answer = NULL;
    Status status =
        subcommand_parse(&argc, &argv, entries, "PATH",
                         "Says what would happen if PATH were created, and which rule says so.",
                         "PATH need not exist.", 1, 1);
    if (status == STATUS_DONE)
        status = target_open(argv[1], &target);
    if (status != STATUS_DONE)
        return status;
    const char *words[] = {"explain", target.name, file ? "file" : "dir", NULL};
    int r = target_command(&target, words, &answer);
    if (r < 0)
        return target_explain_error(&target, r);
    if (json)
        record_print_object(answer);
    else
        print_answer(argv[1], answer);
    return STATUS_DONE;
}
