/* Any bytes as an option: refused with a message that repeats it, or accepted with values that can
 * be used. */
#include "daemon/option-table.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_values(const Options *options)
{
    g_assert_cmpint(options->engine.retain_ns, >=, 0);
    g_assert_cmpuint(options->engine.max_locks, <=, 500 * 1000 * 1000);
    g_assert_cmpuint(options->engine.max_locks_per_uid, <=, 500 * 1000 * 1000);
}

/* Not presets and files: those are read from disk. */
static bool reads_files(const char *text)
{
    return g_str_has_prefix(text, "preset") || g_str_has_prefix(text, "config");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    static const char *const no_dirs[] = {NULL};
    Options options = {.mount = g_string_new(NULL)};
    OptionBuild build = {&options, rule_builder_new(), no_dirs};
    if (!reads_files(text)) {
        bool accepted = option_apply(&build, text, &error);
        g_assert_true(accepted == !error);
        g_assert_true(accepted || strstr(error->message, text));
        check_values(&options);
    }
    rule_builder_free(build.rules);
    options_clear(&options);
    return 0;
}
