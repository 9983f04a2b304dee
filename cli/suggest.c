#include "quote.h"
#include "subcommand.h"
#include "suggestion.h"
#include "wire/names.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The line of /proc/self/mountinfo about this mount, in words; NULL: none. */
static char **mount_line(guint64 id)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char **words = g_strsplit(*line, " ", -1);
        if (g_strv_length(words) > 5 && g_ascii_strtoull(words[0], NULL, 10) == id)
            return words;
        g_strfreev(words);
    }
    return NULL;
}

/* Where a directory is, from the root of its filesystem: also below a bind mount of a part of it.
 * NULL: it cannot be told. */
static char *path_from_root(const char *dir)
{
    struct statx stx;
    g_autofree char *path = realpath(dir, NULL);
    if (!path || statx(AT_FDCWD, path, 0, STATX_MNT_ID, &stx) != 0 ||
        !(stx.stx_mask & STATX_MNT_ID))
        return NULL;
    g_auto(GStrv) words = mount_line(stx.stx_mnt_id);
    g_autofree char *root = words ? g_strcompress(words[3]) : NULL;
    g_autofree char *point = words ? g_strcompress(words[4]) : NULL;
    if (!words || !g_str_has_prefix(path, point))
        return NULL;
    g_autofree char *whole = g_strconcat(root, "/", path + strlen(point), NULL);
    g_auto(GStrv) parts = g_strsplit(whole, "/", -1);
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    for (char **part = parts; *part; part++)
        if (**part)
            g_ptr_array_add(kept, *part);
    g_ptr_array_add(kept, NULL);
    return g_strjoinv("/", (char **)kept->pdata);
}

static guint count(const GPtrArray *list, SuggestionKind kind)
{
    guint n = 0;
    for (guint i = 0; i < list->len; i++)
        n += ((const Suggestion *)g_ptr_array_index(list, i))->kind == kind;
    return n;
}

/* Each with what speaks for it, and then all of them as the value of a key. */
static void print_rules(const GPtrArray *list, SuggestionKind kind, const char *key)
{
    g_autoptr(GString) value = g_string_new(NULL);
    for (guint i = 0; i < list->len; i++) {
        const Suggestion *suggestion = g_ptr_array_index(list, i);
        if (suggestion->kind != kind)
            continue;
        printf("# %s: %s\n", suggestion->pattern, suggestion->because);
        g_string_append_printf(value, "%s%s", value->len ? ";" : "", suggestion->pattern);
    }
    if (value->len)
        printf("%s=%s\n", key, value->str);
}

static void print_comments(const GPtrArray *list, SuggestionKind kind, const char *heading)
{
    if (count(list, kind))
        printf("\n# %s\n", heading);
    for (guint i = 0; i < list->len; i++) {
        const Suggestion *suggestion = g_ptr_array_index(list, i);
        if (suggestion->kind == kind)
            printf("#   %s: %s\n", suggestion->pattern, suggestion->because);
    }
}

static void print_text(const char *dir, JsonObject *about, const GPtrArray *list)
{
    g_autofree char *shown = quote_name(dir);
    g_autofree char *since = record_bytes(about, "since");
    printf("# Below %s lockfs has seen %u names made exclusively since %s.\n", shown, list->len,
           since);
    if (record_int(about, "forgotten"))
        printf("# Of %" G_GINT64_FORMAT " creates in the whole mount %" G_GINT64_FORMAT
               " are not spoken of here: there were too many names.\n",
               record_int(about, "made"), record_int(about, "forgotten"));
    if (count(list, SUGGESTION_LOCK) || count(list, SUGGESTION_DATA))
        puts("# Read it through before it goes into lockfs.conf.\n\n[rules suggested]");
    else
        puts("# Nothing speaks for another rule than there are.");
    print_rules(list, SUGGESTION_LOCK, "lock");
    print_rules(list, SUGGESTION_DATA, "data");
    print_comments(list, SUGGESTION_UNSURE,
                   "Could be locks; let the application do more, or decide:");
    print_comments(list, SUGGESTION_KNOWN, "Locks by the rules there are:");
    printf("\n# Data by the rules there are: %u. Temporary names, which need no rule: %u.\n",
           count(list, SUGGESTION_PLAIN), count(list, SUGGESTION_TEMPORARY));
}

static void print_json(JsonObject *about, const GPtrArray *list)
{
    JsonArray *names = json_array_new();
    for (guint i = 0; i < list->len; i++) {
        const Suggestion *suggestion = g_ptr_array_index(list, i);
        JsonObject *object = json_object_new();
        json_object_set_string_member(object, "suggestion", suggestion_name(suggestion->kind));
        json_object_set_string_member(object, "pattern", suggestion->pattern);
        json_object_set_string_member(object, "because", suggestion->because);
        json_object_set_array_member(object, "seen", json_array_ref(suggestion->seen));
        json_array_add_object_element(names, object);
    }
    json_object_set_array_member(about, "names", names);
    record_print_object(about);
}

static Status suggest(const Target *target, const char *dir, gboolean json)
{
    g_autoptr(JsonArray) records = NULL;
    Status status = target_records(target, NAMES_OBSERVED, &records);
    if (status != STATUS_DONE)
        return status;
    g_autoptr(JsonObject) about = json_array_get_length(records)
                                      ? json_object_ref(json_array_get_object_element(records, 0))
                                      : json_object_new();
    if (!record_true(about, "observing"))
        return status_fail(STATUS_FAILED, dir,
                           "nothing is observed here; mount it with -o observe, run the "
                           "application, and ask again");
    json_array_remove_element(records, 0);
    g_autofree char *top = path_from_root(dir);
    if (!top)
        return status_fail(STATUS_FAILED, dir, "cannot find out where in the mount this is");
    g_autoptr(GPtrArray) list = suggestion_list(records, top);
    if (json)
        print_json(about, list);
    else
        print_text(dir, about, list);
    return STATUS_DONE;
}

Status suggest_run(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an object", NULL},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    Status status = subcommand_parse(
        &argc, &argv, entries, "[DIR]",
        "Prints the rules that the behaviour of programs below DIR speaks for.",
        "Mount it with -o observe, let the application run (and be killed), then ask.\n"
        "What is printed can stand in lockfs.conf as it is.",
        0, 1);
    const char *dir = argc > 1 ? argv[1] : ".";
    if (status == STATUS_DONE)
        status = target_open_dir(dir, &target);
    return status == STATUS_DONE ? suggest(&target, dir, json) : status;
}
