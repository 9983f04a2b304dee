#include "daemon/mount-table.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

/* "36 35 98:0 /root /point options tags - type source super": the type follows the lone dash. */
static char *type_of_line(const char *line, dev_t dev)
{
    unsigned major_no, minor_no;
    if (sscanf(line, "%*d %*d %u:%u ", &major_no, &minor_no) != 2 ||
        makedev(major_no, minor_no) != dev)
        return NULL;
    const char *dash = strstr(line, " - ");
    if (!dash)
        return NULL;
    const char *type = dash + 3;
    return g_strndup(type, strcspn(type, " "));
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
