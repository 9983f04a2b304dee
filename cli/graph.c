#include "quote.h"
#include "subcommand.h"
#include "wire/names.h"

#include <stdio.h>

/* Who waits for whom: an edge from each waiter of a claim to its owner. */
typedef struct {
    gint64 from, to;
    JsonObject *claim;
} Edge;

typedef struct {
    GArray *edges;
    GHashTable *names; /* pid → command */
} Graph;

static void add_name(Graph *graph, JsonObject *process)
{
    gint64 pid = record_int(process, "pid");
    g_hash_table_insert(graph->names, g_memdup2(&pid, sizeof pid), record_bytes(process, "comm"));
}

static void add_claim(Graph *graph, JsonObject *claim)
{
    JsonNode *node = record_node(claim, "waiters");
    JsonArray *waiters = node ? json_node_get_array(node) : NULL;
    if (!record_node(claim, "owner"))
        return; /* nobody is waited for */
    add_name(graph, json_node_get_object(record_node(claim, "owner")));
    for (guint i = 0; waiters && i < json_array_get_length(waiters); i++) {
        JsonObject *waiter = json_array_get_object_element(waiters, i);
        Edge edge = {record_int(waiter, "pid"), record_int(claim, "owner.pid"), claim};
        if (!edge.from || !edge.to)
            continue; /* kept back: many of them may look like one */
        add_name(graph, waiter);
        g_array_append_val(graph->edges, edge);
    }
}

/* Does a chain of edges lead from one process to the other? */
static bool leads(const Graph *graph, gint64 from, gint64 to, GHashTable *seen)
{
    if (from == to)
        return true;
    if (!g_hash_table_add(seen, g_memdup2(&from, sizeof from)))
        return false;
    for (guint i = 0; i < graph->edges->len; i++) {
        const Edge *edge = &g_array_index(graph->edges, Edge, i);
        if (edge->from == from && leads(graph, edge->to, to, seen))
            return true;
    }
    return false;
}

static bool in_cycle(const Graph *graph, const Edge *edge)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    return leads(graph, edge->to, edge->from, seen);
}

/* As a string of DOT; what is quoted for people is quoted once more. */
static char *dot_string(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "\\", -1);
    g_autofree char *doubled = g_strjoinv("\\\\", parts);
    g_auto(GStrv) quotes = g_strsplit(doubled, "\"", -1);
    return g_strjoinv("\\\"", quotes);
}

static void print_edge(const Graph *graph, const Edge *edge)
{
    g_autofree char *path = table_name(edge->claim, "path");
    g_autofree char *label = dot_string(path);
    printf("  p%" G_GINT64_FORMAT " -> p%" G_GINT64_FORMAT " [label=\"%s\"%s];\n", edge->from,
           edge->to, label, in_cycle(graph, edge) ? ", color=red, penwidth=2, deadlock=true" : "");
}

static void print_graph(const Graph *graph)
{
    GHashTableIter iter;
    gpointer pid, comm;
    bool deadlock = false;
    puts("digraph lockfs {\n  node [shape=box];");
    g_hash_table_iter_init(&iter, graph->names);
    while (g_hash_table_iter_next(&iter, &pid, &comm)) {
        g_autofree char *shown = quote_name(comm);
        g_autofree char *name = dot_string(shown);
        printf("  p%" G_GINT64_FORMAT " [label=\"%" G_GINT64_FORMAT " %s\"];\n", *(gint64 *)pid,
               *(gint64 *)pid, name);
    }
    for (guint i = 0; i < graph->edges->len; i++) {
        const Edge *edge = &g_array_index(graph->edges, Edge, i);
        print_edge(graph, edge);
        deadlock = deadlock || in_cycle(graph, edge);
    }
    if (deadlock)
        puts("  label=\"deadlock: the red processes wait for one another\";");
    puts("}");
}

static JsonArray *processes(const Graph *graph)
{
    JsonArray *all = json_array_new();
    GHashTableIter iter;
    gpointer pid, comm;
    g_hash_table_iter_init(&iter, graph->names);
    while (g_hash_table_iter_next(&iter, &pid, &comm)) {
        JsonObject *process = json_object_new();
        json_object_set_int_member(process, "pid", *(gint64 *)pid);
        record_set_bytes(process, "comm", comm);
        json_array_add_object_element(all, process);
    }
    return all;
}

static void print_json(const Graph *graph)
{
    g_autoptr(JsonObject) whole = json_object_new();
    JsonArray *waits = json_array_new();
    for (guint i = 0; i < graph->edges->len; i++) {
        const Edge *edge = &g_array_index(graph->edges, Edge, i);
        JsonObject *wait = json_object_new();
        g_autofree char *path = record_bytes(edge->claim, "path");
        json_object_set_int_member(wait, "from", edge->from);
        json_object_set_int_member(wait, "to", edge->to);
        record_set_bytes(wait, "path", path);
        json_object_set_int_member(wait, "token", record_int(edge->claim, "token"));
        json_object_set_boolean_member(wait, "deadlock", in_cycle(graph, edge));
        json_array_add_object_element(waits, wait);
    }
    json_object_set_array_member(whole, "processes", processes(graph));
    json_object_set_array_member(whole, "waits", waits);
    record_print_object(whole);
}

static void draw(JsonArray *claims, gboolean json)
{
    Graph graph = {
        .edges = g_array_new(FALSE, FALSE, sizeof(Edge)),
        .names = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free),
    };
    for (guint i = 0; i < json_array_get_length(claims); i++)
        add_claim(&graph, json_array_get_object_element(claims, i));
    if (json)
        print_json(&graph);
    else
        print_graph(&graph);
    g_array_unref(graph.edges);
    g_hash_table_unref(graph.names);
}

Status graph_run(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an object instead", NULL},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    g_autoptr(JsonArray) claims = NULL;
    Status status = subcommand_parse(
        &argc, &argv, entries, "[DIR]",
        "Prints who waits for whom below DIR, as DOT; cycles (deadlocks) are red.",
        "An edge goes from who waits to who holds. lockfs-ctl graph | dot -Tsvg >graph.svg", 0, 1);
    if (status == STATUS_DONE)
        status = target_open_dir(argc > 1 ? argv[1] : ".", &target);
    if (status == STATUS_DONE)
        status = target_records(&target, NAMES_LOCKS, &claims);
    if (status == STATUS_DONE)
        draw(claims, json);
    return status;
}
