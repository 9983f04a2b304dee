#include "daemon/option-table.h"

#include "base/clock.h"
#include "base/duration.h"
#include "base/quantity.h"
#include "rules/rule-config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

GQuark option_error_quark(void)
{
    return g_quark_from_static_string("lockfs-option-error");
}

typedef struct Option Option;

/* Returns NULL, or what was expected (static or interned). value is NULL for a bare name. */
typedef const char *(*OptionFunc)(OptionBuild *build, const Option *option, const char *value);

struct Option {
    const char *name;
    const char *value; /* what --help calls it; NULL: takes none */
    OptionFunc apply;
    const char *help; /* NULL: the usual ones of mount(8), not listed one by one */
};

static const char *intern_error(GError *error)
{
    const char *text = g_intern_string(error->message);
    g_error_free(error);
    return text;
}

static const char *apply_rule(OptionBuild *build, const Option *option, const char *value)
{
    GError *error = NULL;
    bool lock = g_str_equal(option->name, "lock");
    const char *origin = lock ? "option lock=" : "option data=";
    if (rule_builder_add(build->rules, lock ? RULE_LOCK : RULE_DATA, value, NULL, origin, &error))
        return NULL;
    return intern_error(error);
}

static const char *apply_preset(OptionBuild *build, const Option *option, const char *value)
{
    g_auto(GStrv) names = g_strsplit(value, ":", -1);
    for (char **name = names; *name; name++) {
        GError *error = NULL;
        if (!rule_preset_add(build->rules, *name, build->preset_dirs, &error))
            return intern_error(error);
    }
    return NULL;
}

/* A key file writes flags as true and false; the command line by their name alone. */
static const char *parse_flag(const char *value, bool *flag)
{
    if (!value || g_str_equal(value, "true") || g_str_equal(value, "yes") ||
        g_str_equal(value, "1"))
        *flag = true;
    else if (g_str_equal(value, "false") || g_str_equal(value, "no") || g_str_equal(value, "0"))
        *flag = false;
    else
        return "expected true or false";
    return NULL;
}

static void pass_on(OptionBuild *build, const char *name, const char *value)
{
    GString *mount = build->options->mount;
    g_string_append_printf(mount, "%s%s", mount->len ? "," : "", name);
    if (value)
        g_string_append_printf(mount, "=%s", value);
}

static const char *apply_flag(OptionBuild *build, const Option *option, const char *value)
{
    Options *options = build->options;
    bool flag = true;
    const char *problem = parse_flag(value, &flag);
    if (problem)
        return problem;
    if (g_str_equal(option->name, "observe"))
        options->engine.observe = flag;
    else if (g_str_equal(option->name, "allow_other"))
        options->allow_other = options->engine.kernel_checks = flag;
    else if (g_str_equal(option->name, "ro"))
        options->engine.read_only = flag;
    return NULL;
}

static const char *apply_rw(OptionBuild *build, const Option *option, const char *value)
{
    build->options->engine.read_only = false;
    return NULL;
}

static const char *apply_unowned(OptionBuild *build, const Option *option, const char *value)
{
    static const char *const names[] = {
        [ENGINE_UNOWNED_INFER] = "infer",
        [ENGINE_UNOWNED_KEEP] = "keep",
        [ENGINE_UNOWNED_HEAL] = "heal",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_str_equal(value, names[i])) {
            build->options->engine.unowned = (EngineUnowned)i;
            return NULL;
        }
    }
    return "expected infer, keep or heal";
}

/* So that the sum with any time of the clock is one. */
#define RETAIN_MAX (36500LL * 24 * 3600 * CLOCK_NS_PER_S)

static const char *apply_retain(OptionBuild *build, const Option *option, const char *value)
{
    int64_t ns;
    if (!duration_parse(value, &ns) || ns > RETAIN_MAX)
        return "expected a span of time such as 30s, 10m, 2h or 1d, at most 36500d";
    build->options->engine.retain_ns = ns;
    return NULL;
}

static const char *apply_retain_max(OptionBuild *build, const Option *option, const char *value)
{
    if (!quantity_parse_bytes(value, &build->options->engine.retain_max))
        return "expected a number of bytes such as 512k, 64m or 2g";
    return NULL;
}

static const char *apply_mtime(OptionBuild *build, const Option *option, const char *value)
{
    if (!g_str_equal(value, "live") && !g_str_equal(value, "real"))
        return "expected live or real";
    build->options->engine.mtime_real = g_str_equal(value, "real");
    return NULL;
}

static const char *apply_bound(OptionBuild *build, const Option *option, const char *value)
{
    guint64 number;
    if (!g_ascii_string_to_unsigned(value, 10, 1, 500 * 1000 * 1000, &number, NULL))
        return "expected a number from 1 to 500000000";
    EngineOptions *engine = &build->options->engine;
    if (g_str_equal(option->name, "max_locks"))
        engine->max_locks = (uint32_t)number;
    else
        engine->max_locks_per_uid = (uint32_t)number;
    return NULL;
}

static const char *apply_fsname(OptionBuild *build, const Option *option, const char *value)
{
    g_free(build->options->fsname);
    build->options->fsname = g_strdup(value);
    return NULL;
}

static const char *apply_mount(OptionBuild *build, const Option *option, const char *value)
{
    pass_on(build, option->name, value);
    return NULL;
}

static const char *apply_nothing(OptionBuild *build, const Option *option, const char *value)
{
    return NULL;
}

static const Option table[] = {
    {"lock", "GLOB", apply_rule, "names that match are locks (repeatable, in order)"},
    {"data", "GLOB", apply_rule, "names that match are data (the last match decides)"},
    {"preset", "A[:B...]", apply_preset, "add shipped sets of rules, such as git or pidfile"},
    {"config", "FILE", apply_nothing, "read rules and options from FILE (" LOCKFS_CONFIG_FILE ")"},
    {"observe", NULL, apply_flag, "dry run: claim and report, never hide, heal or refuse"},
    {"unowned", "infer|keep|heal", apply_unowned,
     "lock entries found at mount, owner not known (infer)"},
    {"retain", "TIME", apply_retain, "keep the content of healed entries this long (10m)"},
    {"retain_max", "SIZE", apply_retain_max, "but no more than this, the oldest go first (1g)"},
    {"mtime", "live|real", apply_mtime, "age of a live lock as strangers see it (live)"},
    {"max_locks", "N", apply_bound, "locks held at once; more fail with ENOLCK (1000000)"},
    {"max_locks_per_uid", "N", apply_bound, "the same for the owners of one uid (100000)"},
    {"allow_other", NULL, apply_flag, "let other users in; their permissions are the source's"},
    {"ro", NULL, apply_flag, "read-only"},
    {"fsname", "NAME", apply_fsname, "what to show as the device (the source)"},
    {"rw", NULL, apply_rw, NULL},
    {"subtype", "NAME", apply_nothing, NULL},
    {"suid", NULL, apply_mount, NULL},
    {"nosuid", NULL, apply_mount, NULL},
    {"dev", NULL, apply_mount, NULL},
    {"nodev", NULL, apply_mount, NULL},
    {"exec", NULL, apply_mount, NULL},
    {"noexec", NULL, apply_mount, NULL},
    {"sync", NULL, apply_mount, NULL},
    {"async", NULL, apply_mount, NULL},
    {"dirsync", NULL, apply_mount, NULL},
    {"atime", NULL, apply_mount, NULL},
    {"noatime", NULL, apply_mount, NULL},
    {"nodiratime", NULL, apply_mount, NULL},
    {"relatime", NULL, apply_nothing, NULL},
    {"norelatime", NULL, apply_nothing, NULL},
    {"strictatime", NULL, apply_nothing, NULL},
    {"diratime", NULL, apply_nothing, NULL},
    {"default_permissions", NULL, apply_nothing, NULL}, /* lockfs decides: see docs/semantics.md */
    {"defaults", NULL, apply_nothing, NULL},
    {"auto", NULL, apply_nothing, NULL},
    {"noauto", NULL, apply_nothing, NULL},
    {"user", NULL, apply_nothing, NULL},
    {"nouser", NULL, apply_nothing, NULL},
    {"users", NULL, apply_nothing, NULL},
    {"nofail", NULL, apply_nothing, NULL},
    {"_netdev", NULL, apply_nothing, NULL},
};

static const Option *find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
        if (g_str_equal(table[i].name, name))
            return &table[i];
    return NULL;
}

/* Remarks for others in a line of fstab. */
static bool is_remark(const char *name)
{
    return g_str_has_prefix(name, "x-") || g_str_has_prefix(name, "X-") ||
           g_str_equal(name, "comment");
}

static const char *apply(OptionBuild *build, const Option *option, const char *value,
                         bool from_file)
{
    if (option->value && (!value || !*value)) {
        g_autofree char *problem = g_strdup_printf("expected %s=%s", option->name, option->value);
        return g_intern_string(problem);
    }
    if (!option->value && value && !from_file)
        return "takes no value";
    return option->apply(build, option, value);
}

bool option_apply(OptionBuild *build, const char *text, GError **error)
{
    const char *equals = strchr(text, '=');
    g_autofree char *name = equals ? g_strndup(text, (gsize)(equals - text)) : g_strdup(text);
    if (is_remark(name))
        return true;
    const Option *option = find(name);
    const char *problem = option ? apply(build, option, equals ? equals + 1 : NULL, false)
                                 : "unknown; lockfs --help lists the options";
    if (problem)
        g_set_error(error, OPTION_ERROR, 0, "option %s: %s", text, problem);
    return !problem;
}

bool option_apply_key(OptionBuild *build, const char *key, const char *value, const char **problem)
{
    const Option *option = find(key);
    if (!option || g_str_equal(key, "config"))
        *problem = "unknown key; expected an option as on the command line (lockfs --help)";
    else
        *problem = apply(build, option, value, true);
    return !*problem;
}

void option_print_help(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        const Option *option = &table[i];
        if (!option->help)
            continue;
        g_autofree char *left = option->value
                                    ? g_strdup_printf("%s=%s", option->name, option->value)
                                    : g_strdup(option->name);
        printf("    -o %-22s %s\n", left, option->help);
    }
}
