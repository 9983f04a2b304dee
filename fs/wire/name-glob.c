#include "wire/name-glob.h"

#include <stdbool.h>
#include <string.h>

#define HASH_MIN 8 /* hexadecimal digits */
#define MIX_MIN 6  /* letters and digits in turn: what mkstemp(3) puts for its X's */
#define MKTEMP_LEN 10

/* Bytes of the UTF-8 character at `at`; 0: it is none, or one that a key file cannot hold. */
static size_t character(const char *at)
{
    gunichar c = g_utf8_get_char_validated(at, -1);
    if (c == (gunichar)-1 || c == (gunichar)-2 || c <= ' ' || c == 0x7f || c == ';' || c == '\\' ||
        g_unichar_isspace(c))
        return 0;
    return (size_t)(g_utf8_next_char(at) - at);
}

/* One character onto the end; returns its bytes. */
static size_t append(GString *glob, const char *at)
{
    size_t size = character(at);
    if (size == 0)
        g_string_append_c(glob, '?');
    else if (strchr("*?[]#", *at))
        g_string_append_printf(glob, "[%c]", *at);
    else
        g_string_append_len(glob, at, (gssize)size);
    return MAX(size, 1);
}

char *name_glob_exact(const char *name)
{
    GString *glob = g_string_new(NULL);
    while (*name)
        name += append(glob, name);
    return g_string_free(glob, FALSE);
}

static size_t span(const char *at, gboolean (*is)(char))
{
    size_t n = 0;
    while (at[n] && is(at[n]))
        n++;
    return n;
}

static gboolean is_digit(char c)
{
    return g_ascii_isdigit(c);
}

static gboolean is_hex(char c)
{
    return g_ascii_isxdigit(c);
}

static gboolean is_word(char c)
{
    return g_ascii_isalnum(c);
}

static size_t uuid(const char *at)
{
    static const size_t groups[] = {8, 4, 4, 4, 12};
    size_t n = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (i && at[n++] != '-')
            return 0;
        if (span(at + n, is_hex) != groups[i])
            return 0;
        n += groups[i];
    }
    return n;
}

/* A word that nobody would have chosen. `inside`: something stands before it. */
static bool is_chance(const char *word, size_t len, bool inside)
{
    size_t hex = 0, digits = 0, turns = 0, rises = 0;
    for (size_t i = 0; i < len; i++) {
        hex += g_ascii_isxdigit(word[i]) != 0;
        digits += g_ascii_isdigit(word[i]) != 0;
        turns += i && g_ascii_isdigit(word[i]) != g_ascii_isdigit(word[i - 1]);
        rises += i && g_ascii_isupper(word[i]) && g_ascii_islower(word[i - 1]);
    }
    if (digits && digits < len)
        return (hex == len && len >= HASH_MIN) || (len >= MIX_MIN && turns >= 2);
    return inside && rises && (len == MIX_MIN || len == MKTEMP_LEN);
}

/* How many bytes from here on differ from name to name. */
static size_t varying(const char *name, const char *at)
{
    bool begins = at == name || !g_ascii_isalnum(at[-1]);
    size_t n = begins ? uuid(at) : 0;
    if (n)
        return n;
    n = span(at, is_word);
    if (begins && is_chance(at, n, at > name))
        return n;
    return span(at, is_digit);
}

char *name_glob_alike(const char *name)
{
    GString *glob = g_string_new(NULL);
    for (const char *at = name; *at;) {
        size_t n = varying(name, at);
        if (n && !g_str_has_suffix(glob->str, "*"))
            g_string_append_c(glob, '*');
        at += n ? n : append(glob, at);
    }
    return g_string_free(glob, FALSE);
}
