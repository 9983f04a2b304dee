#include "wire/command.h"

#include <string.h>

/* NULL: malformed, or a NUL inside. */
static char *decode(const char *word)
{
    GString *out = g_string_new(NULL);
    for (const char *c = word; *c; c++) {
        int high = *c == '%' ? g_ascii_xdigit_value(c[1]) : 0;
        int low = *c == '%' && high >= 0 ? g_ascii_xdigit_value(c[2]) : 0;
        if (*c == '%' && (high < 0 || low < 0 || high * 16 + low == 0)) {
            g_string_free(out, TRUE);
            return NULL;
        }
        g_string_append_c(out, *c == '%' ? (char)(high * 16 + low) : *c);
        c += *c == '%' ? 2 : 0;
    }
    return g_string_free(out, FALSE);
}

bool command_parse(const char *line, gsize size, Command *out)
{
    if (size && line[size - 1] == '\n')
        size--;
    if (size == 0 || memchr(line, '\0', size))
        return false;
    g_autofree char *text = g_strndup(line, size);
    g_auto(GStrv) words = g_strsplit(text, " ", COMMAND_WORDS + 1);
    if (g_strv_length(words) > COMMAND_WORDS)
        return false;
    Command command = {0};
    for (; words[command.count]; command.count++) {
        command.words[command.count] = decode(words[command.count]);
        if (!command.words[command.count] || !*command.words[command.count]) {
            command.count++;
            command_clear(&command);
            return false;
        }
    }
    *out = command;
    return true;
}

void command_clear(Command *command)
{
    for (int i = 0; i < command->count; i++)
        g_clear_pointer(&command->words[i], g_free);
    command->count = 0;
}

void command_append(GString *line, const char *word)
{
    if (line->len)
        g_string_append_c(line, ' ');
    for (const char *c = word; *c; c++) {
        if (g_ascii_isgraph(*c) && *c != '%')
            g_string_append_c(line, *c);
        else
            g_string_append_printf(line, "%%%02X", (unsigned char)*c);
    }
}
