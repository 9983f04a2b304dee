#include "quote.h"

#include <string.h>

static gboolean is_plain(gunichar c)
{
    return c > 127 ? g_unichar_isprint(c)
                   : g_ascii_isalnum((char)c) || (c && strchr("_./:,@%+=-~", (int)c));
}

static char *in_c_style(const char *name)
{
    GString *out = g_string_new("$'");
    for (const char *c = name; *c;) {
        gunichar u = g_utf8_get_char_validated(c, -1);
        gboolean bad = u == (gunichar)-1 || u == (gunichar)-2;
        if (!bad && g_unichar_isprint(u) && u != '\'' && u != '\\') {
            g_string_append_unichar(out, u);
            c = g_utf8_next_char(c);
            continue;
        }
        gsize n = bad ? 1 : (gsize)(g_utf8_next_char(c) - c);
        for (; n > 0; n--, c++) {
            if (*c == '\n')
                g_string_append(out, "\\n");
            else if (*c == '\t')
                g_string_append(out, "\\t");
            else if (*c == '\'' || *c == '\\')
                g_string_append_printf(out, "\\%c", *c);
            else
                g_string_append_printf(out, "\\%03o", (unsigned char)*c);
        }
    }
    g_string_append_c(out, '\'');
    return g_string_free(out, FALSE);
}

char *quote_name(const char *name)
{
    gboolean plain = *name != '\0' && *name != '~', printable = TRUE;
    if (!g_utf8_validate(name, -1, NULL))
        return in_c_style(name);
    for (const char *c = name; *c; c = g_utf8_next_char(c)) {
        gunichar u = g_utf8_get_char(c);
        plain = plain && is_plain(u);
        printable = printable && g_unichar_isprint(u) && u != '\'';
    }
    if (plain)
        return g_strdup(name);
    return printable ? g_strdup_printf("'%s'", name) : in_c_style(name);
}

static int width_of(gunichar c)
{
    return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}

int quote_width(const char *text)
{
    int width = 0;
    for (const char *c = text; *c; c = g_utf8_next_char(c))
        width += width_of(g_utf8_get_char(c));
    return width;
}

static const char *skip_columns(const char *text, int columns)
{
    while (*text && columns > 0) {
        columns -= width_of(g_utf8_get_char(text));
        text = g_utf8_next_char(text);
    }
    return text;
}

char *quote_shorten(const char *text, int width)
{
    int all = quote_width(text);
    if (all <= width)
        return g_strdup(text);
    if (width < 3)
        width = 3;
    int left = (width - 1) / 2, right = width - 1 - left;
    const char *head_end = skip_columns(text, left);
    if (head_end > text && quote_width(text) - quote_width(head_end) > left)
        head_end = g_utf8_prev_char(head_end); /* a wide one did not fit */
    const char *tail = skip_columns(text, all - right);
    return g_strdup_printf("%.*s…%s", (int)(head_end - text), text, tail);
}
