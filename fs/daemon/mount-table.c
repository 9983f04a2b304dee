#include "daemon/mount-table.h"

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

static char *type_in(const char *line)
{
    const char *dash = strstr(line, " - ");
    return dash ? g_strndup(dash + 3, strcspn(dash + 3, " ")) : NULL;
}

/* "36 35 98:0 /root /point options tags - type source super": the type follows the lone dash. */
static char *type_of_line(const char *line, dev_t dev)
{
    unsigned major_no, minor_no;
    if (sscanf(line, "%*d %*d %u:%u ", &major_no, &minor_no) != 2 ||
        makedev(major_no, minor_no) != dev)
        return NULL;
    return type_in(line);
}

char *mount_table_type_in(const char *text, dev_t dev)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char *type = type_of_line(*line, dev);
        if (type)
            return type;
    }
    return NULL;
}

char *mount_table_type(dev_t dev)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return NULL;
    return mount_table_type_in(text, dev);
}

static bool is_point(const char *line, const char *path)
{
    g_auto(GStrv) fields = g_strsplit(line, " ", 6);
    if (g_strv_length(fields) < 6)
        return false;
    g_autofree char *point = g_strcompress(fields[4]); /* \040 and its like */
    return strcmp(point, path) == 0;
}

char *mount_table_type_at_in(const char *text, const char *path)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = g_strv_length(lines); i-- > 0;)
        if (is_point(lines[i], path))
            return type_in(lines[i]);
    return NULL;
}

char *mount_table_type_at(const char *path)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return NULL;
    return mount_table_type_at_in(text, path);
}
