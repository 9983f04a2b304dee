/* The JSON objects that a mount speaks in, and what is in them. */
#ifndef LOCKFS_CLI_RECORD_H
#define LOCKFS_CLI_RECORD_H

#include <json-glib/json-glib.h>
#include <stdbool.h>

/* NULL: not an object. size -1: to the NUL. */
JsonObject *record_parse(const char *text, gssize size);

/* The member at "owner.pid", NULL when it is missing or null anywhere on the way. */
JsonNode *record_node(JsonObject *record, const char *path);

/* Is it there, and true? */
bool record_true(JsonObject *record, const char *path);

gint64 record_int(JsonObject *record, const char *path);

/* A name, with its exact bytes. "" when it is missing. Free with g_free(). */
char *record_bytes(JsonObject *record, const char *path);

/* The number of waiters. */
guint record_waiters(JsonObject *record);

/* Sets a member to a name: as the mount does, with its exact bytes beside it where that is due. */
void record_set_bytes(JsonObject *record, const char *member, const char *bytes);

void record_print_object(JsonObject *record);
void record_print_array(JsonArray *records);

#endif
