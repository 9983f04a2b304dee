#include "subcommand.h"
#include "wire/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The last healed entry of this name whose content is kept; 0: none. */
static guint64 find_token(const Target *target, JsonArray *healed)
{
    guint64 token = 0;
    for (guint i = 0; i < json_array_get_length(healed); i++) {
        JsonObject *record = json_array_get_object_element(healed, i);
        g_autofree char *path = record_bytes(record, "path");
        if (strcmp(path, target->name) == 0 && record_true(record, "kept"))
            token = (guint64)record_int(record, "token");
    }
    return token;
}

static Status explain_error(const Target *target, const char *path, int error)
{
    if (error == -EEXIST)
        return status_fail(STATUS_HELD, path, "the name is taken; give another one with --as NAME");
    if (error == -ENOENT)
        return status_fail(STATUS_NO_CLAIM, path,
                           "its content is not kept any more; lockfs-ctl healed lists what is");
    return target_explain_error(target, error);
}

static void print_restored(const char *path, const char *token)
{
    g_autoptr(JsonObject) record = json_object_new();
    record_set_bytes(record, "path", path);
    json_object_set_int_member(record, "token", (gint64)g_ascii_strtoull(token, NULL, 10));
    json_object_set_string_member(record, "result", "restored");
    record_print_object(record);
}

static Status restore(const Target *target, const char *token, const char *name, gboolean json)
{
    const char *words[] = {"restore", token, name, NULL};
    int r = target_command(target, words, NULL);
    if (r < 0)
        return explain_error(target, target->path, r);
    const char *slash = strrchr(target->path, '/');
    g_autofree char *path =
        g_strdup_printf("%.*s%s", slash ? (int)(slash - target->path) + 1 : 0, target->path, name);
    /* The kernel may remember that the name was free: an attempt to make it puts that right. */
    if (mkdir(path, 0700) == 0)
        return status_fail(STATUS_FAILED, path, "restored, and removed again by somebody else");
    if (json)
        print_restored(path, token);
    return STATUS_DONE;
}

Status restore_run(int argc, char **argv)
{
    char *given_token = NULL, *given_name = NULL;
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an object", NULL},
        {"token", 't', 0, G_OPTION_ARG_STRING, &given_token,
         "the one with this token, of several with that name", "TOKEN"},
        {"as", 'a', 0, G_OPTION_ARG_FILENAME, &given_name, "under another name in its directory",
         "NAME"},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    g_autoptr(JsonArray) healed = NULL;
    Status status =
        subcommand_parse(&argc, &argv, entries, "PATH",
                         "Gives back the content of the healed entry PATH, as data.", NULL, 1, 1);
    g_autofree char *token = given_token;
    g_autofree char *name = given_name;
    if (status == STATUS_DONE)
        status = target_open(argv[1], &target);
    if (status == STATUS_DONE && !token)
        status = target_records(&target, NAMES_HEALED, &healed);
    if (status != STATUS_DONE)
        return status;
    if (!token) {
        guint64 found = find_token(&target, healed);
        if (!found)
            return explain_error(&target, argv[1], -ENOENT);
        token = g_strdup_printf("%" G_GUINT64_FORMAT, found);
    }
    return restore(&target, token, name ? name : target.name, json);
}
