#include "quote.h"
#include "subcommand.h"

#include <stdio.h>

static void line(const char *label, JsonObject *claim, const char *member)
{
    g_autofree char *text = record_bytes(claim, member);
    if (!*text)
        return;
    g_autofree char *shown = quote_name(text);
    printf("%-10s %s\n", label, shown);
}

static void line_number(const char *label, JsonObject *claim, const char *member)
{
    if (record_node(claim, member))
        printf("%-10s %" G_GINT64_FORMAT "\n", label, record_int(claim, member));
}

static void print_owner(JsonObject *claim)
{
    g_autofree char *process = table_process(json_object_get_object_member(claim, "owner"));
    g_autofree char *why = record_bytes(claim, "owner.why");
    printf("%-10s %s, uid %" G_GINT64_FORMAT "\n", "owner", process,
           record_int(claim, "owner.uid"));
    if (record_int(claim, "owner.pid_here") &&
        record_int(claim, "owner.pid_here") != record_int(claim, "owner.pid"))
        line_number("  here", claim, "owner.pid_here");
    printf("%-10s %s\n", "  why", why);
    line("  program", claim, "owner.exe");
    line("  cgroup", claim, "owner.cgroup");
    line("  scope", claim, "owner.scope");
    printf("%-10s its process descriptor says so", "  alive");
    if (record_node(claim, "owner.start_time"))
        printf("; it started at tick %" G_GINT64_FORMAT " of this boot",
               record_int(claim, "owner.start_time"));
    printf("\n");
}

static void print_evidence(JsonObject *claim)
{
    g_autofree char *why = record_bytes(claim, "evidence.why");
    puts("owner      not known");
    printf("%-10s %s\n", "  why", why);
    line_number("  pid", claim, "evidence.pid");
    line("  host", claim, "evidence.host");
}

static void print_waiters(JsonObject *claim)
{
    JsonNode *node = record_node(claim, "waiters");
    JsonArray *waiters = node ? json_node_get_array(node) : NULL;
    for (guint i = 0; waiters && i < json_array_get_length(waiters); i++) {
        JsonObject *waiter = json_array_get_object_element(waiters, i);
        g_autofree char *process = table_process(waiter);
        g_autofree char *last = record_bytes(waiter, "last_at");
        printf("%-10s %s, %" G_GINT64_FORMAT " attempts, last at %s\n", "waits", process,
               record_int(waiter, "attempts"), last);
    }
}

static void print_claim(const char *path, JsonObject *claim)
{
    g_autofree char *shown = quote_name(path);
    g_autofree char *held = table_duration(claim, "held_ms");
    g_autofree char *since = record_bytes(claim, "acquired_at");
    g_autofree char *origin = record_bytes(claim, "rule_origin");
    g_autofree char *rule = table_name(claim, "rule");
    g_autofree char *caller = table_process(json_object_get_object_member(claim, "caller"));
    printf("%-10s %s\n", "path", shown);
    line("kind", claim, "kind");
    line("state", claim, "state");
    if (record_int(claim, "token"))
        line_number("token", claim, "token");
    printf("%-10s %s, since %s\n", "held", held, since);
    printf("%-10s %s (%s)\n", "rule", rule, origin);
    if (record_node(claim, "owner")) {
        print_owner(claim);
        printf("%-10s %s\n", "caller", caller);
    } else {
        print_evidence(claim);
    }
    print_waiters(claim);
}

Status show_run(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an object", NULL},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    g_autoptr(JsonObject) claim = NULL;
    Status status = subcommand_parse(&argc, &argv, entries, "PATH",
                                     "Shows one claim: who owns it and why, who called, who waits.",
                                     NULL, 1, 1);
    if (status == STATUS_DONE)
        status = target_open(argv[1], &target);
    if (status == STATUS_DONE)
        status = target_claim(&target, false, &claim);
    if (status != STATUS_DONE)
        return status;
    if (json)
        record_print_object(claim);
    else
        print_claim(argv[1], claim);
    return STATUS_DONE;
}
