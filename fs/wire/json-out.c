#include "wire/json-out.h"

#include "wire/names.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void escape(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            g_string_append_c(out, '\\');
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            g_string_append_printf(out, "\\u%04x", *c);
        else
            g_string_append_c(out, *c);
    }
    g_string_append_c(out, '"');
}

static void start(GString *out, const char *key)
{
    char last = (char)(out->len ? out->str[out->len - 1] : '{');
    if (last != '{' && last != '[' && last != '\n')
        g_string_append_c(out, ',');
    if (key) {
        escape(out, key);
        g_string_append_c(out, ':');
    }
}

void json_out_begin(GString *out, const char *key, char bracket)
{
    start(out, key);
    g_string_append_c(out, bracket);
}

void json_out_end(GString *out, char bracket)
{
    g_string_append_c(out, bracket);
}

void json_out_string(GString *out, const char *key, const char *text)
{
    start(out, key);
    if (text)
        escape(out, text);
    else
        g_string_append(out, "null");
}

void json_out_bytes(GString *out, const char *key, const char *bytes)
{
    if (!bytes || g_utf8_validate(bytes, -1, NULL)) {
        json_out_string(out, key, bytes);
        return;
    }
    g_autofree char *shown = g_utf8_make_valid(bytes, -1);
    g_autofree char *exact = g_base64_encode((const guchar *)bytes, strlen(bytes));
    g_autofree char *exact_key = g_strconcat(key, NAMES_EXACT_SUFFIX, NULL);
    json_out_string(out, key, shown);
    json_out_string(out, exact_key, exact);
}

void json_out_int(GString *out, const char *key, int64_t value)
{
    start(out, key);
    g_string_append_printf(out, "%" G_GINT64_FORMAT, (gint64)value);
}

void json_out_uint(GString *out, const char *key, uint64_t value)
{
    start(out, key);
    g_string_append_printf(out, "%" G_GUINT64_FORMAT, (guint64)value);
}

void json_out_bool(GString *out, const char *key, bool value)
{
    start(out, key);
    g_string_append(out, value ? "true" : "false");
}

void json_out_time(GString *out, const char *key, int64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;
    char date[32], text[64];
    gmtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, sizeof text, "%s.%03dZ", date, (int)(ns / 1000000 % 1000));
    json_out_string(out, key, text);
}
