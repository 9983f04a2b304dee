/* The command line: every option's effect, what goes to the kernel, and that the last one decides.
 */
#include "daemon/option-table.h"
#include "daemon/options.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct {
    char *dir, *other, *quiet;
} Places;

static void set_up(Places *places, const void *data)
{
    places->dir = g_dir_make_tmp("lockfs-options-XXXXXX", NULL);
    places->other = g_dir_make_tmp("lockfs-options-XXXXXX", NULL);
    places->quiet = g_build_filename(places->other, "empty.conf", NULL);
    g_assert_true(g_file_set_contents(places->quiet, "", 0, NULL));
}

static void tear_down(Places *places, const void *data)
{
    g_unlink(places->quiet);
    g_rmdir(places->dir);
    g_rmdir(places->other);
    g_free(places->dir);
    g_free(places->other);
    g_free(places->quiet);
}

/* Serves the directory in place with these arguments; "" for none. An empty file stands in for the
 * system's. */
static OptionsResult parse(const Places *places, const char *arguments, Options *options)
{
    g_autofree char *config = g_strconcat("config=", places->quiet, NULL);
    g_auto(GStrv) words = g_strsplit(arguments, " ", -1);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    g_ptr_array_add(argv, (char *)"lockfs");
    g_ptr_array_add(argv, (char *)"-o");
    g_ptr_array_add(argv, config);
    for (char **word = words; *word; word++)
        if (**word)
            g_ptr_array_add(argv, *word);
    g_ptr_array_add(argv, places->dir);
    guint n = argv->len;
    g_ptr_array_add(argv, NULL);
    return options_parse((int)n, (char **)argv->pdata, options);
}

#define WITH_OPTIONS(places, arguments, ...)                                                       \
    do {                                                                                           \
        Options options;                                                                           \
        g_assert_cmpint(parse(places, arguments, &options), ==, OPTIONS_RUN);                      \
        __VA_ARGS__;                                                                               \
        options_clear(&options);                                                                   \
    } while (0)

static void test_defaults(Places *places, const void *data)
{
    WITH_OPTIONS(places, "", {
        g_assert_false(options.foreground || options.debug || options.allow_other);
        g_assert_true(options.in_place);
        g_assert_cmpstr(options.source, ==, options.mountpoint);
        g_assert_cmpuint(options.engine.max_locks, ==, 1000000);
        g_assert_cmpuint(options.engine.max_locks_per_uid, ==, 100000);
        g_assert_cmpint(options.engine.retain_ns, ==, 600 * G_GINT64_CONSTANT(1000000000));
        g_assert_cmpint(options.engine.retain_max, ==, G_GINT64_CONSTANT(1) << 30);
        g_assert_cmpint(options.engine.unowned, ==, ENGINE_UNOWNED_INFER);
        g_assert_false(options.engine.observe || options.engine.mtime_real ||
                       options.engine.read_only);
        g_assert_cmpstr(options.mount->str, ==, "");
        g_assert_null(options.fsname);
    });
}

static void test_each(Places *places, const void *data)
{
    WITH_OPTIONS(places, "-f", g_assert_true(options.foreground));
    WITH_OPTIONS(places, "-d", g_assert_true(options.foreground && options.debug));
    WITH_OPTIONS(places, "-o observe", g_assert_true(options.engine.observe));
    WITH_OPTIONS(places, "-o allow_other", g_assert_true(options.allow_other));
    WITH_OPTIONS(places, "-o ro", g_assert_true(options.engine.read_only));
    WITH_OPTIONS(places, "-o ro,rw", g_assert_false(options.engine.read_only));
    WITH_OPTIONS(places, "-o rw -o ro", g_assert_true(options.engine.read_only));
    WITH_OPTIONS(places, "-o mtime=real", g_assert_true(options.engine.mtime_real));
    WITH_OPTIONS(places, "-o mtime=real,mtime=live", g_assert_false(options.engine.mtime_real));
    WITH_OPTIONS(
        places, "-o retain=2h",
        g_assert_cmpint(options.engine.retain_ns, ==, 7200 * G_GINT64_CONSTANT(1000000000)));
    WITH_OPTIONS(places, "-o max_locks=7,max_locks_per_uid=3", {
        g_assert_cmpuint(options.engine.max_locks, ==, 7);
        g_assert_cmpuint(options.engine.max_locks_per_uid, ==, 3);
    });
    WITH_OPTIONS(places, "-o fsname=a\\,b", g_assert_cmpstr(options.fsname, ==, "a,b"));
}

static void test_for_the_kernel(Places *places, const void *data)
{
    WITH_OPTIONS(places, "-o noexec,nodev,noatime,sync",
                 g_assert_cmpstr(options.mount->str, ==, "noexec,nodev,noatime,sync"));
    WITH_OPTIONS(places,
                 "-o "
                 "defaults,auto,noauto,nofail,_netdev,user,users,relatime,subtype=x,"
                 "x-systemd.automount,X-mount.mkdir,comment=a",
                 g_assert_cmpstr(options.mount->str, ==, ""));
    WITH_OPTIONS(places, "-n -s -v", g_assert_cmpstr(options.mount->str, ==, ""));
}

static void expect_kind(const Options *options, const char *name, bool lock)
{
    const Rule *rule = rule_set_match(options->rules, name, RULE_TARGET_DIR, NULL, NULL);
    g_assert_true((rule && rule->kind == RULE_LOCK) == lock);
}

static void test_rules(Places *places, const void *data)
{
    WITH_OPTIONS(places, "-o lock=*.x,data=b.x -o lock=b*", {
        expect_kind(&options, "a.x", true);
        expect_kind(&options, "b.x", true);
        expect_kind(&options, "c", false);
        expect_kind(&options, "c.lock", true);
    });
    WITH_OPTIONS(places, "-o data=*.lock", expect_kind(&options, "c.lock", false));
    /* A comma in a pattern is written \, as in all options. */
    WITH_OPTIONS(places, "-o lock=a\\,b", expect_kind(&options, "a,b", true));
}

static void test_config_first(Places *places, const void *data)
{
    static const char text[] = "[lockfs]\nmtime=real\nmax_locks=5\nobserve=yes\nallow_other=false\n"
                               "[rules a]\nlock=x\ndata=y.lock\n";
    g_assert_true(g_file_set_contents(places->quiet, text, -1, NULL));
    WITH_OPTIONS(places, "-o max_locks=9,data=x", {
        g_assert_true(options.engine.mtime_real && options.engine.observe);
        g_assert_false(options.allow_other);
        g_assert_cmpuint(options.engine.max_locks, ==, 9);
        expect_kind(&options, "x", false);
        expect_kind(&options, "y.lock", false);
        expect_kind(&options, "z.lock", true);
    });
}

static OptionsResult parse_words(int argc, char **argv)
{
    Options options;
    OptionsResult result = options_parse(argc, argv, &options);
    options_clear(&options);
    return result;
}

static void test_help_and_version(void)
{
    static const char *const words[] = {"-h", "--help", "-V", "--version"};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        char *alone[] = {(char *)"lockfs", (char *)words[i], NULL};
        char *with_more[] = {(char *)"lockfs", (char *)"/no/such/place", (char *)words[i],
                             (char *)"-o",     (char *)"nothing",        NULL};
        OptionsResult expected = i < 2 ? OPTIONS_HELP : OPTIONS_VERSION;
        g_assert_cmpint(parse_words(2, alone), ==, expected);
        g_assert_cmpint(parse_words(5, with_more), ==, expected);
    }
}

static void test_places(Places *places, const void *data)
{
    g_autofree char *inside = g_build_filename(places->dir, "inside", NULL);
    g_autofree char *dotted = g_strconcat(places->dir, "/./", NULL);
    g_autofree char *config = g_strconcat("-oconfig=", places->quiet, NULL);
    Options options;

    g_assert_cmpint(g_mkdir(inside, 0777), ==, 0);
    char *elsewhere[] = {(char *)"lockfs", config, places->dir, places->other, NULL};
    g_assert_cmpint(options_parse(4, elsewhere, &options), ==, OPTIONS_RUN);
    g_assert_false(options.in_place);
    g_assert_cmpstr(options.source, ==, places->dir);
    g_assert_cmpstr(options.mountpoint, ==, places->other);
    options_clear(&options);

    char *same[] = {(char *)"lockfs", config, dotted, places->dir, NULL};
    g_assert_cmpint(options_parse(4, same, &options), ==, OPTIONS_RUN);
    g_assert_true(options.in_place);
    options_clear(&options);

    char *memory[] = {(char *)"lockfs", config, (char *)"none", places->dir, NULL};
    g_assert_cmpint(options_parse(4, memory, &options), ==, OPTIONS_RUN);
    g_assert_null(options.source);
    expect_kind(&options, "anything", true);
    options_clear(&options);

    char *in_itself[] = {(char *)"lockfs", config, places->dir, inside, NULL};
    g_assert_cmpint(options_parse(4, in_itself, &options), ==, OPTIONS_REFUSED);
    options_clear(&options);
    char *the_parent[] = {(char *)"lockfs", config, inside, places->dir, NULL};
    g_assert_cmpint(options_parse(4, the_parent, &options), ==, OPTIONS_RUN);
    options_clear(&options);
    g_rmdir(inside);
}

/* Every option that is offered has its line in --help. */
static void test_help_is_whole(void)
{
    if (g_test_subprocess()) {
        option_print_help();
        return;
    }
    static const char *const names[] = {
        "lock=GLOB",   "data=GLOB",   "preset=", "config=FILE", "observe",
        "unowned=",    "retain=TIME", "mtime=",  "max_locks=N", "max_locks_per_uid=N",
        "allow_other", "ro",          "fsname="};
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *pattern = g_strdup_printf("*-o %s*", names[i]);
        g_test_trap_assert_stdout(pattern);
    }
}

#define ADD(name, func) g_test_add("/options/" name, Places, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("defaults", test_defaults);
    ADD("each", test_each);
    ADD("for-the-kernel", test_for_the_kernel);
    ADD("rules", test_rules);
    ADD("config-first", test_config_first);
    ADD("places", test_places);
    g_test_add_func("/options/help-and-version", test_help_and_version);
    g_test_add_func("/options/help-is-whole", test_help_is_whole);
    return g_test_run();
}
