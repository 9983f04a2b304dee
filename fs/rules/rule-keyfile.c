#include "rules/rule-keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "rules/rule-set.h"

#define RULE_KEYFILE_MAX (1024 * 1024)

bool rule_keyfile_fail(const RuleKeyfile *keyfile, const char *group, const char *key,
                       GError **error, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    if (group && key)
        g_set_error(error, RULE_ERROR, RULE_ERROR_CONFIG, "%s: [%s] %s: %s", keyfile->file, group,
                    key, what);
    else if (group)
        g_set_error(error, RULE_ERROR, RULE_ERROR_CONFIG, "%s: [%s]: %s", keyfile->file, group,
                    what);
    else
        g_set_error(error, RULE_ERROR, RULE_ERROR_CONFIG, "%s: %s", keyfile->file, what);
    return false;
}

char *rule_keyfile_enumerate(const char *const *names)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; names[i]; i++) {
        if (i)
            g_string_append(out, names[i + 1] ? ", " : " or ");
        g_string_append(out, names[i]);
    }
    return g_string_free(out, FALSE);
}

/* A '#' behind a blank; NULL: there is none. */
static const char *rule_keyfile_comment(const char *value)
{
    for (const char *at = strchr(value, '#'); at; at = strchr(at + 1, '#'))
        if (at > value && g_ascii_isspace(at[-1]))
            return at;
    return NULL;
}

/* Takes the comment from the end of a value. Where a pattern is due, "#*#" may be meant. */
static bool rule_keyfile_strip_comment(const RuleKeyfile *keyfile, const char *group,
                                       const char *key, GError **error)
{
    g_autofree char *raw = g_key_file_get_value(keyfile->keys, group, key, NULL);
    const char *comment = rule_keyfile_comment(raw);
    g_autofree char *value = comment ? g_strchomp(g_strndup(raw, (gsize)(comment - raw))) : NULL;

    if (!comment)
        return true;
    if (g_str_has_suffix(value, ";"))
        return rule_keyfile_fail(keyfile, group, key, error,
                                 "\"%s\": is what follows the ';' a comment or a pattern? Drop the "
                                 "';' before a comment; a pattern's '#' is written [#]",
                                 raw);
    g_key_file_set_value(keyfile->keys, group, key, value);
    return true;
}

static bool rule_keyfile_strip_comments(const RuleKeyfile *keyfile, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(keyfile->keys, NULL);

    for (guint i = 0; groups[i]; i++) {
        g_auto(GStrv) keys = g_key_file_get_keys(keyfile->keys, groups[i], NULL, NULL);
        for (guint n = 0; keys && keys[n]; n++)
            if (!rule_keyfile_strip_comment(keyfile, groups[i], keys[n], error))
                return false;
    }
    return true;
}

bool rule_keyfile_slurp(const char *file, char **text, gsize *len, GError **error)
{
    AUTO_FD int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    g_autofree char *buf = NULL;
    ssize_t got = fd < 0 ? -errno : 0;

    if (fd >= 0) {
        buf = g_malloc(RULE_KEYFILE_MAX + 1);
        got = fd_read_all(fd, buf, RULE_KEYFILE_MAX + 1);
    }
    if (got < 0) {
        g_set_error(error, G_FILE_ERROR, (gint)g_file_error_from_errno((gint)-got), "%s: %s", file,
                    g_strerror((gint)-got));
        return false;
    }
    *text = g_realloc(g_steal_pointer(&buf), (gsize)got + 1);
    *len = (gsize)got;
    return true;
}

static guint rule_keyfile_line_of(const char *text, const char *at)
{
    guint line = 1;

    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

/* Enters what a line declares; false when it was declared before. `group` follows the group lines.
 */
static bool rule_keyfile_declare(const RuleKeyfile *keyfile, GHashTable *seen, char **group,
                                 const char *line, guint number, GError **error)
{
    gsize name_len = strcspn(line, *line == '[' ? "]" : "=");
    g_autofree char *name = g_strchomp(g_strndup(line, name_len));
    const char *key = *line == '[' ? NULL : name;
    g_autofree char *id = NULL;
    guint first;

    if (!key) {
        g_free(*group);
        *group = g_strdup(name + 1);
    }
    id = g_strconcat(*group, "]", key, NULL);
    first = GPOINTER_TO_UINT(g_hash_table_lookup(seen, id));
    if (first)
        return rule_keyfile_fail(keyfile, *group, key, error,
                                 key ? "line %u gives it again, it stands on line %u; "
                                       "expected once, with ';' between values"
                                     : "line %u opens it again, it stands on line %u; "
                                       "expected once",
                                 number, first);
    g_hash_table_insert(seen, g_steal_pointer(&id), GUINT_TO_POINTER(number));
    return true;
}

/* On text that GKeyFile has accepted. */
static bool rule_keyfile_check_doubles(const RuleKeyfile *keyfile, const char *text, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *group = NULL;

    for (guint i = 0; lines[i]; i++) {
        const char *line = g_strstrip(lines[i]);

        if (!*line || *line == '#')
            continue;
        if (!rule_keyfile_declare(keyfile, seen, &group, line, i + 1, error))
            return false;
    }
    return true;
}

bool rule_keyfile_parse(RuleKeyfile *keyfile, const char *file, const char *text, gsize len,
                        GError **error)
{
    g_auto(RuleKeyfile) loaded = {g_key_file_new(), file};
    g_autoptr(GError) syntax = NULL;
    g_autofree char *copy = NULL;
    const char *bad;

    if (!len)
        text = ""; /* it may be NULL then */
    if (!g_utf8_validate_len(text, len, &bad))
        return rule_keyfile_fail(&loaded, NULL, NULL, error,
                                 "line %u is not text; expected UTF-8 without NUL",
                                 rule_keyfile_line_of(text, bad));
    /* Without this flag, keys such as lock[de] would be dropped unseen. */
    if (!g_key_file_load_from_data(loaded.keys, text, len, G_KEY_FILE_KEEP_TRANSLATIONS, &syntax))
        return rule_keyfile_fail(&loaded, NULL, NULL, error, "%s", syntax->message);
    copy = g_strndup(text, len);
    if (!rule_keyfile_check_doubles(&loaded, copy, error) ||
        !rule_keyfile_strip_comments(&loaded, error))
        return false;
    *keyfile = loaded;
    loaded.keys = NULL;
    return true;
}

void rule_keyfile_clear(RuleKeyfile *keyfile)
{
    g_clear_pointer(&keyfile->keys, g_key_file_unref);
}

char **rule_keyfile_keys(const RuleKeyfile *keyfile, const char *group, const char *const *known,
                         GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(keyfile->keys, group, NULL, NULL);

    for (guint i = 0; keys && keys[i]; i++) {
        if (!g_strv_contains(known, keys[i])) {
            g_autofree char *expected = rule_keyfile_enumerate(known);

            rule_keyfile_fail(keyfile, group, keys[i], error, "unknown key; expected %s", expected);
            return NULL;
        }
    }
    return keys ? g_steal_pointer(&keys) : g_new0(char *, 1);
}

char *rule_keyfile_value(const RuleKeyfile *keyfile, const char *group, const char *key,
                         GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_autofree char *value = g_key_file_get_string(keyfile->keys, group, key, &problem);

    /* GKeyFile gives a value even when it could not make sense of an escape in it. */
    if (problem) {
        rule_keyfile_fail(keyfile, group, key, error,
                          "bad escape in the value; expected \\s, \\t, \\n, \\r or \\\\");
        return NULL;
    }
    return g_strstrip(g_steal_pointer(&value));
}

/* Trims an item; an empty one is refused. */
static bool rule_keyfile_check_item(const RuleKeyfile *keyfile, const char *group, const char *key,
                                    char *item, GError **error)
{
    g_strstrip(item);
    if (!*item)
        return rule_keyfile_fail(keyfile, group, key, error,
                                 "an empty pattern; expected globs with ';' between them");
    return true;
}

char **rule_keyfile_list(const RuleKeyfile *keyfile, const char *group, const char *key,
                         GError **error)
{
    g_autoptr(GError) problem = NULL;
    g_auto(GStrv) items = g_key_file_get_string_list(keyfile->keys, group, key, NULL, &problem);

    if (problem) {
        rule_keyfile_fail(keyfile, group, key, error,
                          "bad escape in the value; expected \\s, \\t, \\n, \\r, \\; or \\\\");
        return NULL;
    }
    if (!items[0]) {
        rule_keyfile_fail(keyfile, group, key, error,
                          "no value; expected globs with ';' between them");
        return NULL;
    }
    for (guint i = 0; items[i]; i++)
        if (!rule_keyfile_check_item(keyfile, group, key, items[i], error))
            return NULL;
    return g_steal_pointer(&items);
}

bool rule_keyfile_choice(const RuleKeyfile *keyfile, const char *group, const char *key,
                         const char *const *names, guint *choice, GError **error)
{
    g_autofree char *value = rule_keyfile_value(keyfile, group, key, error);
    g_autofree char *expected = NULL;

    if (!value)
        return false;
    for (guint i = 0; names[i]; i++) {
        if (!strcmp(value, names[i])) {
            *choice = i;
            return true;
        }
    }
    expected = rule_keyfile_enumerate(names);
    return rule_keyfile_fail(keyfile, group, key, error, "unknown value \"%s\"; expected %s", value,
                             expected);
}
