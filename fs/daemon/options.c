#include "daemon/options.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/fd.h"
#include "daemon/mount.h"
#include "daemon/notify.h"
#include "daemon/option-table.h"
#include "rules/rule-config.h"
#include "wire/preset-dirs.h"

#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_MAX_LOCKS 1000000
#define DEFAULT_MAX_LOCKS_PER_UID 100000
#define DEFAULT_RETAIN (600 * CLOCK_NS_PER_S)
#define DEFAULT_RETAIN_MAX (1LL << 30)

/* How long the kernel may believe what it knows of data: a while where only the mount changes it, a
 * moment where others may. */
#define IN_PLACE_TIMEOUT 60.0
#define ELSEWHERE_TIMEOUT 1.0

typedef struct {
    OptionBuild build;
    GPtrArray *given; /* options of the command line, in order */
    char *config;
    bool help, version;
    GPtrArray *places;
    const OptionsPlaces *known; /* NULL: to be found out */
    char *problem;
} Parse;

static int take_argument(void *data, const char *arg, int key, struct fuse_args *outargs)
{
    Parse *parse = data;
    if (key == FUSE_OPT_KEY_NONOPT) {
        g_ptr_array_add(parse->places, g_strdup(arg));
        return 0;
    }
    if (g_str_equal(arg, "-h") || g_str_equal(arg, "--help"))
        parse->help = true;
    else if (g_str_equal(arg, "-V") || g_str_equal(arg, "--version"))
        parse->version = true;
    else if (g_str_equal(arg, "-f"))
        parse->build.options->foreground = true;
    else if (g_str_equal(arg, "-d") || g_str_equal(arg, "--debug"))
        parse->build.options->debug = parse->build.options->foreground = true;
    else if (g_str_equal(arg, "-n") || g_str_equal(arg, "-s") || g_str_equal(arg, "-v"))
        return 0; /* what mount(8) passes on to its helpers */
    else if (g_str_has_prefix(arg, "config=") && arg[strlen("config=")])
        g_free(parse->config), parse->config = g_strdup(arg + strlen("config="));
    else if (arg[0] == '-' && !parse->problem)
        parse->problem = g_strdup_printf("unknown option %s; see lockfs --help", arg);
    else
        g_ptr_array_add(parse->given, g_strdup(arg));
    return 0;
}

static bool from_config(const char *key, const char *value, const char **problem, void *user)
{
    return option_apply_key(user, key, value, problem);
}

static bool read_config(Parse *parse, GError **error)
{
    const char *file = parse->config ? parse->config : LOCKFS_CONFIG_FILE;
    GError *failed = NULL;
    if (rule_config_load(parse->build.rules, file, from_config, &parse->build, &failed))
        return true;
    if (!parse->config && g_error_matches(failed, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        g_error_free(failed);
        return true;
    }
    g_propagate_error(error, failed);
    return false;
}

static bool apply_given(Parse *parse, GError **error)
{
    for (guint i = 0; i < parse->given->len; i++)
        if (!option_apply(&parse->build, g_ptr_array_index(parse->given, i), error))
            return false;
    return true;
}

static bool fail(GError **error, const char *path, int number, const char *way_out)
{
    if (number == ENOTCONN) {
        g_set_error(error, OPTION_ERROR, 0,
                    "%s: %s; its daemon is gone, clear it away with: umount %s", path,
                    g_strerror(number), path);
        return false;
    }
    g_set_error(error, OPTION_ERROR, 0, "%s: %s; %s", path, g_strerror(number), way_out);
    return false;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whichever path it is reached by: the source would contain the mount, and the daemon wait for
 * itself there. */
static bool is_inside(const char *path, const struct stat *dir)
{
    AUTO_FD int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat here, above;
    if (fd < 0 || fstat(fd, &here) != 0)
        return false;
    for (;;) {
        int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (up < 0)
            return false;
        fd_close(fd);
        fd = up;
        if (fstat(fd, &above) != 0 || same_file(&above, &here))
            return false;
        if (same_file(&above, dir))
            return true;
        here = above;
    }
}

/* Both must be directories; the same one twice means in place. */
static bool settle_places(Options *options, const GPtrArray *places, GError **error)
{
    const char *source = g_ptr_array_index(places, 0);
    const char *mountpoint = g_ptr_array_index(places, places->len - 1);
    struct stat from, to;
    options->mountpoint = realpath(mountpoint, NULL);
    /* A service starts again by itself, with nobody there to unmount. */
    if (options->mountpoint && options->foreground && notify_is_wanted())
        mount_clear_broken(options->mountpoint);
    if (!options->mountpoint || stat(options->mountpoint, &to) != 0)
        return fail(error, mountpoint, errno, "the directory must exist");
    if (!S_ISDIR(to.st_mode))
        return fail(error, mountpoint, ENOTDIR, "lockfs is mounted over a directory");
    if (places->len == 2 && g_str_equal(source, "none"))
        return true;
    options->source = realpath(source, NULL);
    if (!options->source || stat(options->source, &from) != 0)
        return fail(error, source, errno, "the directory must exist");
    if (!S_ISDIR(from.st_mode))
        return fail(error, source, ENOTDIR, "lockfs serves a directory");
    options->in_place = same_file(&from, &to);
    if (!options->in_place && is_inside(options->mountpoint, &from))
        return fail(error, options->mountpoint, ELOOP,
                    "it is inside the source; mount elsewhere, or serve the source in place");
    return true;
}

static void take_places(Options *options, const OptionsPlaces *known)
{
    options->mountpoint = strdup(known->mountpoint);
    options->source = known->source ? strdup(known->source) : NULL;
    options->in_place = known->in_place;
}

static void settle_timeouts(Options *options)
{
    bool alone = options->in_place || !options->source;
    options->engine.data_timeout = alone ? IN_PLACE_TIMEOUT : ELSEWHERE_TIMEOUT;
    options->engine.negative_timeout = alone ? IN_PLACE_TIMEOUT : 0;
}

static bool settle(Parse *parse, Options *options, GError **error)
{
    if (parse->problem) {
        g_set_error_literal(error, OPTION_ERROR, 0, parse->problem);
        return false;
    }
    if (parse->places->len < 1 || parse->places->len > 2) {
        g_set_error_literal(error, OPTION_ERROR, 0,
                            "give one directory to serve in place, or a source and a mount point; "
                            "see lockfs --help");
        return false;
    }
    if (parse->places->len == 2 && g_str_equal(g_ptr_array_index(parse->places, 0), "none"))
        rule_builder_add_everything(parse->build.rules);
    if (!read_config(parse, error) || !apply_given(parse, error))
        return false;
    if (parse->known)
        take_places(options, parse->known);
    else if (!settle_places(options, parse->places, error))
        return false;
    settle_timeouts(options);
    return true;
}

static OptionsResult finish(Parse *parse, Options *options)
{
    g_autoptr(GError) error = NULL;
    if (parse->help)
        return OPTIONS_HELP;
    if (parse->version)
        return OPTIONS_VERSION;
    if (settle(parse, options, &error)) {
        options->rules = rule_builder_finish(g_steal_pointer(&parse->build.rules));
        return OPTIONS_RUN;
    }
    log_error("%s", error->message);
    return OPTIONS_REFUSED;
}

OptionsResult options_parse(int argc, char **argv, Options *options)
{
    return options_parse_at(argc, argv, NULL, options);
}

OptionsResult options_parse_at(int argc, char **argv, const OptionsPlaces *places, Options *options)
{
    *options = (Options){
        .engine = {.max_locks = DEFAULT_MAX_LOCKS,
                   .max_locks_per_uid = DEFAULT_MAX_LOCKS_PER_UID,
                   .retain_ns = DEFAULT_RETAIN,
                   .retain_max = DEFAULT_RETAIN_MAX},
        .mount = g_string_new(NULL),
    };
    g_auto(GStrv) dirs = options_preset_dirs();
    Parse parse = {
        .build = {options, rule_builder_new(), (const char *const *)dirs},
        .given = g_ptr_array_new_with_free_func(g_free),
        .places = g_ptr_array_new_with_free_func(g_free),
        .known = places,
    };
    rule_builder_add_builtin(parse.build.rules);
    struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
    OptionsResult result = OPTIONS_REFUSED;
    if (fuse_opt_parse(&args, &parse, NULL, take_argument) == 0)
        result = finish(&parse, options);
    fuse_opt_free_args(&args);
    g_ptr_array_free(parse.given, TRUE);
    g_ptr_array_free(parse.places, TRUE);
    g_clear_pointer(&parse.build.rules, rule_builder_free);
    g_free(parse.config);
    g_free(parse.problem);
    return result;
}

void options_clear(Options *options)
{
    free(options->source);
    free(options->mountpoint);
    g_free(options->fsname);
    if (options->mount)
        g_string_free(options->mount, TRUE);
    g_clear_pointer(&options->rules, rule_set_unref);
}

char **options_preset_dirs(void)
{
    return preset_dirs(LOCKFS_PRESET_DIR);
}
