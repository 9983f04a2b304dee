#include "doctor-mount.h"

#include <string.h>

#define POINT 4
#define FIRST_TAG 6

void doctor_mount_free(DoctorMount *mount)
{
    g_free(mount->point);
    g_free(mount->type);
    g_free(mount->tags);
    g_free(mount->options);
    g_free(mount);
}

/* "ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE OPTIONS"; NULL: it is not. */
static DoctorMount *parse(const char *line, char **root)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    guint n = g_strv_length(words), dash = FIRST_TAG;
    while (dash < n && strcmp(words[dash], "-") != 0)
        dash++;
    if (dash + 3 >= n)
        return NULL;
    g_autoptr(GString) tags = g_string_new(NULL);
    for (guint i = FIRST_TAG; i < dash; i++)
        g_string_append_printf(tags, "%s%s", i > FIRST_TAG ? " " : "", words[i]);
    DoctorMount *mount = g_new(DoctorMount, 1);
    *mount = (DoctorMount){
        .point = g_strcompress(words[POINT]), /* \040 and the like */
        .type = g_strdup(words[dash + 1]),
        .tags = g_strdup(tags->str),
        .options = g_strdup(words[dash + 3]),
    };
    *root = g_strdup(words[POINT - 1]);
    return mount;
}

static gboolean is_at_or_below(const char *path, const char *point)
{
    size_t len = strcmp(point, "/") == 0 ? 0 : strlen(point);
    return strncmp(path, point, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

typedef gboolean (*Wanted)(const DoctorMount *mount, const char *root, const char *path);

/* The last of the deepest that is wanted: it lies on top. */
static DoctorMount *find(Wanted wanted, const char *path)
{
    g_autofree char *text = NULL;
    DoctorMount *found = NULL;
    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return NULL;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_autofree char *root = NULL;
        g_autoptr(DoctorMount) mount = parse(*line, &root);
        if (!mount || !wanted(mount, root, path) ||
            (found && strlen(found->point) > strlen(mount->point)))
            continue;
        if (found)
            doctor_mount_free(found);
        found = g_steal_pointer(&mount);
    }
    return found;
}

static gboolean has_path(const DoctorMount *mount, const char *root, const char *path)
{
    return is_at_or_below(path, mount->point);
}

DoctorMount *doctor_mount_of(const char *path)
{
    return find(has_path, path);
}

static gboolean has_cgroups(const DoctorMount *mount, const char *root, const char *path)
{
    return strcmp(mount->type, "cgroup2") == 0 && strcmp(root, "/") == 0;
}

char *doctor_mount_cgroups(void)
{
    g_autoptr(DoctorMount) mount = find(has_cgroups, NULL);
    return mount ? g_steal_pointer(&mount->point) : NULL;
}
