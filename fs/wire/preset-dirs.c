#include "wire/preset-dirs.h"

#include <glib.h>

/* From the directory of a program: of an installation under any prefix, and of a build. */
static const char *const beside[] = {
    "../share/lockfs/presets",
    "../packaging/presets",
    "../../packaging/presets",
};

static void add_beside(GPtrArray *dirs)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    if (!program)
        return;
    g_autofree char *home = g_path_get_dirname(program);
    for (size_t i = 0; i < G_N_ELEMENTS(beside); i++) {
        char *dir = g_canonicalize_filename(beside[i], home);
        if (g_file_test(dir, G_FILE_TEST_IS_DIR))
            g_ptr_array_add(dirs, dir);
        else
            g_free(dir);
    }
}

char **preset_dirs(const char *installed)
{
    GPtrArray *dirs = g_ptr_array_new();
    const char *own = g_getenv("LOCKFS_PRESETS");
    if (own)
        g_ptr_array_add(dirs, g_strdup(own));
    add_beside(dirs);
    if (!g_ptr_array_find_with_equal_func(dirs, installed, g_str_equal, NULL))
        g_ptr_array_add(dirs, g_strdup(installed));
    g_ptr_array_add(dirs, NULL);
    return (char **)g_ptr_array_free(dirs, FALSE);
}
