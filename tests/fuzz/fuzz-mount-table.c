/* Any bytes as /proc/self/mountinfo: a type is found, or not, and is one word. */
#include "daemon/mount-table.h"

#include <glib.h>
#include <stdint.h>
#include <string.h>
#include <sys/sysmacros.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *type = mount_table_type_in(text, makedev(0, 36));
    g_assert_true(!type || !strpbrk(type, " \n"));
    return 0;
}
