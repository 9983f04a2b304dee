#include "record.h"

#include "wire/names.h"

#include <stdio.h>
#include <string.h>

JsonObject *record_parse(const char *text, gssize size)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    if (!json_parser_load_from_data(parser, text, size, NULL))
        return NULL;
    JsonNode *root = json_parser_get_root(parser);
    return root && JSON_NODE_HOLDS_OBJECT(root) ? json_node_dup_object(root) : NULL;
}

JsonNode *record_node(JsonObject *record, const char *path)
{
    g_auto(GStrv) keys = g_strsplit(path, ".", -1);
    JsonNode *node = NULL;
    for (char **key = keys; *key; key++) {
        if (node)
            record = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        node = record ? json_object_get_member(record, *key) : NULL;
        if (!node || JSON_NODE_HOLDS_NULL(node))
            return NULL;
    }
    return node;
}

bool record_true(JsonObject *record, const char *path)
{
    JsonNode *node = record_node(record, path);
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_boolean(node);
}

gint64 record_int(JsonObject *record, const char *path)
{
    JsonNode *node = record_node(record, path);
    return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_int(node) : 0;
}

char *record_bytes(JsonObject *record, const char *path)
{
    g_autofree char *exact = g_strconcat(path, NAMES_EXACT_SUFFIX, NULL);
    JsonNode *node = record_node(record, exact);
    const char *encoded = node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;
    if (encoded) {
        gsize size;
        g_autofree guchar *bytes = g_base64_decode(encoded, &size);
        return g_strndup((const char *)bytes, size);
    }
    node = record_node(record, path);
    const char *text = node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;
    return g_strdup(text ? text : "");
}

guint record_waiters(JsonObject *record)
{
    JsonNode *node = record_node(record, "waiters");
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_array_get_length(json_node_get_array(node))
                                               : 0;
}

void record_set_bytes(JsonObject *record, const char *member, const char *bytes)
{
    g_autofree char *shown = g_utf8_make_valid(bytes, -1);
    json_object_set_string_member(record, member, shown);
    if (strcmp(shown, bytes) == 0)
        return;
    g_autofree char *exact = g_strconcat(member, NAMES_EXACT_SUFFIX, NULL);
    g_autofree char *encoded = g_base64_encode((const guchar *)bytes, strlen(bytes));
    json_object_set_string_member(record, exact, encoded);
}

static void print_node(JsonNode *node)
{
    g_autofree char *text = json_to_string(node, TRUE);
    puts(text);
}

void record_print_object(JsonObject *record)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    json_node_set_object(node, record);
    print_node(node);
}

void record_print_array(JsonArray *records)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_ARRAY);
    json_node_set_array(node, records);
    print_node(node);
}
