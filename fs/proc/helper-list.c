#include "proc/helper-list.h"

#include <ctype.h>
#include <glib.h>
#include <string.h>

#define NAME_MAX_BYTES 255

static const char shipped[] =
#include "proc/helpers.inc"
    ;

struct HelperList {
    GHashTable *kinds; /* name -> HelperKind */
};

typedef struct {
    const char *at;
    size_t len;
} Word;

static Word trimmed_line(const char *line, size_t len)
{
    const char *comment = memchr(line, '#', len);
    if (comment)
        len = (size_t)(comment - line);
    while (len && isspace((unsigned char)line[len - 1]))
        len--;
    while (len && isspace((unsigned char)*line)) {
        line++;
        len--;
    }
    return (Word){line, len};
}

static bool section_kind(Word word, HelperKind *kind)
{
    static const struct {
        const char *text;
        HelperKind kind;
    } sections[] = {
        {"[helpers]", HELPER_PROGRAM},    {"[copiers]", HELPER_COPIER},
        {"[unpackers]", HELPER_UNPACKER}, {"[tidy]", HELPER_TIDY},
        {"[shells]", HELPER_SHELL},       {"[multicall]", HELPER_MULTICALL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(sections); i++) {
        if (strlen(sections[i].text) == word.len && !memcmp(sections[i].text, word.at, word.len)) {
            *kind = sections[i].kind;
            return true;
        }
    }
    return false;
}

/* A base name: one word, no slash. */
static bool is_name(Word word)
{
    if (word.len > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < word.len; i++)
        if (isspace((unsigned char)word.at[i]) || iscntrl((unsigned char)word.at[i]) ||
            word.at[i] == '/')
            return false;
    return true;
}

static bool parse(GHashTable *kinds, const char *text, size_t len, int *line)
{
    HelperKind kind = HELPER_PROGRAM;
    const char *end = text + len;
    for (int number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        Word word = trimmed_line(text, (size_t)(stop - text));
        text = newline ? newline + 1 : end;
        if (word.len == 0)
            continue;
        bool good = word.at[0] == '[' ? section_kind(word, &kind) : is_name(word);
        if (!good) {
            *line = number;
            return false;
        }
        if (word.at[0] != '[')
            g_hash_table_insert(kinds, g_strndup(word.at, word.len), GINT_TO_POINTER(kind));
    }
    return true;
}

HelperList *helper_list_new_shipped(void)
{
    HelperList *list = g_new0(HelperList, 1);
    list->kinds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    int line;
    if (!parse(list->kinds, shipped, sizeof shipped - 1, &line))
        g_error("the compiled-in list of helpers is broken at line %d", line);
    return list;
}

bool helper_list_add_text(HelperList *list, const char *text, size_t len, int *line)
{
    g_autoptr(GHashTable) added = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    if (!parse(added, text, len, line))
        return false;
    GHashTableIter iter;
    gpointer name, kind;
    g_hash_table_iter_init(&iter, added);
    while (g_hash_table_iter_next(&iter, &name, &kind)) {
        g_hash_table_iter_steal(&iter);
        g_hash_table_insert(list->kinds, name, kind);
    }
    return true;
}

void helper_list_free(HelperList *list)
{
    if (!list)
        return;
    g_hash_table_destroy(list->kinds);
    g_free(list);
}

HelperKind helper_list_kind(const HelperList *list, const char *name)
{
    return (HelperKind)GPOINTER_TO_INT(g_hash_table_lookup(list->kinds, name));
}
