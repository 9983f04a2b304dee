#include "subcommand.h"
#include "wire/preset-dirs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXTENSION ".preset"

static int compare(gconstpointer a, gconstpointer b)
{
    g_autofree char *one = g_path_get_basename(*(const char *const *)a);
    g_autofree char *other = g_path_get_basename(*(const char *const *)b);
    return strcmp(one, other);
}

/* What follows KEY= at the beginning of a line. */
static char *value_of(const char *text, const char *key)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    size_t len = strlen(key);
    for (char **line = lines; *line; line++)
        if (strncmp(*line, key, len) == 0 && (*line)[len] == '=')
            return g_strdup(*line + len + 1);
    return g_strdup("");
}

/* A name that an earlier directory has is not taken again. */
static void add_dir(const char *path, GHashTable *names, GPtrArray *files)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)))
        if (g_str_has_suffix(name, EXTENSION) && g_hash_table_add(names, g_strdup(name)))
            g_ptr_array_add(files, g_build_filename(path, name, NULL));
}

static JsonArray *read_presets(GPtrArray *files)
{
    JsonArray *records = json_array_new();
    for (guint i = 0; i < files->len; i++) {
        const char *file = g_ptr_array_index(files, i);
        g_autofree char *text = NULL;
        g_autofree char *name = g_path_get_basename(file);
        if (!g_file_get_contents(file, &text, NULL, NULL))
            continue;
        name[strlen(name) - strlen(EXTENSION)] = '\0';
        g_autofree char *description = value_of(text, "description");
        JsonObject *record = json_object_new();
        record_set_bytes(record, "name", name);
        record_set_bytes(record, "description", description);
        record_set_bytes(record, "file", file);
        json_array_add_object_element(records, record);
    }
    return records;
}

static char *plain(JsonObject *record, const char *member)
{
    return record_bytes(record, member);
}

static const TableColumn columns[] = {
    {"name", "NAME", "name", plain, false, true, false, "for preset="},
    {"description", "DESCRIPTION", "description", plain, false, true, true, "what for"},
    {0},
};

Status presets_run(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an array of objects", NULL},
        {0},
    };
    Status status =
        subcommand_parse(&argc, &argv, entries, "",
                         "Lists the shipped rule sets: lockfs -o preset=NAME DIR.", NULL, 0, 0);
    if (status != STATUS_DONE)
        return status;
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) dirs = preset_dirs(LOCKFS_PRESET_DIR);
    for (char **dir = dirs; *dir; dir++)
        add_dir(*dir, names, files);
    g_ptr_array_sort(files, compare);
    if (!files->len)
        return status_fail(STATUS_FAILED, dirs[0],
                           "no presets here; set LOCKFS_PRESETS to their directory");
    g_autoptr(JsonArray) records = read_presets(files);
    g_autofree const TableColumn **chosen = NULL;
    table_choose(columns, NULL, &chosen);
    if (json)
        record_print_array(records);
    else
        table_print(chosen, records, table_terminal_width(), true);
    return STATUS_DONE;
}
