#include <string.h>

#include "rules/rule-config.h"
#include "rules/rule-group.h"
#include "rules/rule-keyfile.h"

#define RULE_PRESET_EXTENSION ".preset"

static const char *const rule_preset_keys[] = {"description", "see", NULL};

static bool rule_preset_name_is_good(const char *name)
{
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")];
}

static int rule_preset_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void rule_preset_list_dir(const char *dir, GHashTable *names)
{
    g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
    const char *entry;

    while (entries && (entry = g_dir_read_name(entries))) {
        g_autofree char *name = NULL;

        if (!g_str_has_suffix(entry, RULE_PRESET_EXTENSION))
            continue;
        name = g_strndup(entry, strlen(entry) - strlen(RULE_PRESET_EXTENSION));
        if (rule_preset_name_is_good(name))
            g_hash_table_add(names, g_steal_pointer(&name));
    }
}

char **rule_preset_list(const char *const *dirs)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    char **list;
    guint count;

    for (; *dirs; dirs++)
        rule_preset_list_dir(*dirs, names);
    list = (char **)g_hash_table_get_keys_as_array(names, &count);
    g_hash_table_steal_all(names);
    qsort(list, count, sizeof(*list), rule_preset_compare);
    return list;
}

static bool rule_preset_unknown(const char *name, const char *const *dirs, GError **error)
{
    g_auto(GStrv) known = rule_preset_list(dirs);
    g_autofree char *all = g_strjoinv(", ", known);
    g_autofree char *places = g_strjoinv(", ", (char **)dirs);

    if (*known)
        g_set_error(error, RULE_ERROR, RULE_ERROR_PRESET,
                    "there is no preset \"%s\"; expected one of: %s", name, all);
    else
        g_set_error(error, RULE_ERROR, RULE_ERROR_PRESET,
                    "there is no preset \"%s\", nor any other; looked in: %s", name, places);
    return false;
}

/* Opens the first file of that name. */
static bool rule_preset_open(RuleKeyfile *keyfile, const char *name, const char *const *dirs,
                             char **file, GError **error)
{
    for (guint i = 0; rule_preset_name_is_good(name) && dirs[i]; i++) {
        g_autofree char *path = g_strdup_printf("%s/%s%s", dirs[i], name, RULE_PRESET_EXTENSION);
        g_autofree char *text = NULL;
        g_autoptr(GError) problem = NULL;
        gsize len;

        if (rule_keyfile_slurp(path, &text, &len, &problem)) {
            *file = g_steal_pointer(&path);
            return rule_keyfile_parse(keyfile, *file, text, len, error);
        }
        if (!g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOENT) &&
            !g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOTDIR)) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return false;
        }
    }
    return rule_preset_unknown(name, dirs, error);
}

static char *rule_preset_head(const RuleKeyfile *keyfile, GError **error)
{
    g_auto(GStrv) keys = rule_keyfile_keys(keyfile, "preset", rule_preset_keys, error);
    g_autofree char *description = NULL;

    if (!keys)
        return NULL;
    if (g_strv_contains((const char *const *)keys, "description")) {
        description = rule_keyfile_value(keyfile, "preset", "description", error);
        if (!description || *description)
            return g_steal_pointer(&description);
    }
    rule_keyfile_fail(keyfile, "preset", NULL, error,
                      "there is no description; expected description=TEXT");
    return NULL;
}

static bool rule_preset_add_groups(RuleBuilder *builder, const RuleKeyfile *keyfile,
                                   const char *origin, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(keyfile->keys, NULL);

    for (guint i = 0; groups[i]; i++) {
        if (!strcmp(groups[i], "preset"))
            continue;
        if (!rule_group_name(groups[i]))
            return rule_keyfile_fail(keyfile, groups[i], NULL, error,
                                     "unknown group; expected [preset] or [rules NAME], NAME of "
                                     "letters, digits, '.', '_' and '-'");
        if (!rule_group_add(builder, keyfile, groups[i], origin, error))
            return false;
    }
    return true;
}

bool rule_preset_add(RuleBuilder *builder, const char *name, const char *const *dirs,
                     GError **error)
{
    guint before = rule_builder_size(builder);
    g_auto(RuleKeyfile) keyfile = {0};
    g_autofree char *file = NULL, *origin = NULL, *description = NULL;

    if (!rule_preset_open(&keyfile, name, dirs, &file, error))
        return false;
    origin = g_strconcat("preset ", name, NULL);
    description = rule_preset_head(&keyfile, error);
    if (description && rule_preset_add_groups(builder, &keyfile, origin, error))
        return true;
    rule_builder_truncate(builder, before);
    return false;
}

char *rule_preset_describe(const char *name, const char *const *dirs, GError **error)
{
    g_auto(RuleKeyfile) keyfile = {0};
    g_autofree char *file = NULL;

    if (!rule_preset_open(&keyfile, name, dirs, &file, error))
        return NULL;
    return rule_preset_head(&keyfile, error);
}
