/* Writes JSON onto the end of a GString, member by member. Pure.
 *
 *     json_out_begin(out, NULL, '{');
 *     json_out_string(out, "path", path);
 *     json_out_begin(out, "owner", '{');
 *     json_out_int(out, "pid", pid);
 *     json_out_end(out, '}');
 *     json_out_end(out, '}');
 *
 * key NULL: an element of an array. Commas come by themselves.
 *
 * Names are bytes, and JSON is UTF-8. json_out_bytes() writes what is no UTF-8 as U+FFFD, and
 * beside it a member KEY_base64 with the exact bytes; where that one is missing, KEY is exact.
 */
#ifndef LOCKFS_WIRE_JSON_OUT_H
#define LOCKFS_WIRE_JSON_OUT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

void json_out_begin(GString *out, const char *key, char bracket);
void json_out_end(GString *out, char bracket);

/* NULL is null. The text must be UTF-8. */
void json_out_string(GString *out, const char *key, const char *text);
void json_out_bytes(GString *out, const char *key, const char *bytes);
void json_out_int(GString *out, const char *key, int64_t value);
void json_out_uint(GString *out, const char *key, uint64_t value);
void json_out_bool(GString *out, const char *key, bool value);

/* Nanoseconds since the epoch as RFC 3339 in UTC with milliseconds. */
void json_out_time(GString *out, const char *key, int64_t ns);

#endif
