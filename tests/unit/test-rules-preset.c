/* The shipped presets: that they load, catch what they are for, and never catch what somebody would
 * miss. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "rules/rule-config.h"

static char *preset_dir;

/* packaging/presets beside tests/, from where the compiler found this file: seen from the build's
 * root, two levels above the program, unless it is absolute. */
static char *find_presets(void)
{
    g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *exe_dir = g_path_get_dirname(exe);
    g_autofree char *here = g_path_get_dirname(__FILE__);

    if (g_path_is_absolute(here))
        return g_build_filename(here, "..", "..", "packaging", "presets", NULL);
    return g_build_filename(exe_dir, "..", "..", here, "..", "..", "packaging", "presets", NULL);
}

static RuleSet *load(const char *const *names)
{
    const char *dirs[] = {preset_dir, NULL};
    RuleBuilder *builder = rule_builder_new();

    rule_builder_add_builtin(builder);
    for (; *names; names++) {
        g_autoptr(GError) error = NULL;

        rule_preset_add(builder, *names, dirs, &error);
        g_assert_no_error(error);
    }
    return rule_builder_finish(builder);
}

static const char *same_path(void *ctx)
{
    return ctx;
}

static bool is_lock(const RuleSet *set, const char *path, RuleTarget target)
{
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *copy = g_strdup(path);
    const Rule *rule = rule_set_match(set, name, target, same_path, copy);

    return rule && rule->kind == RULE_LOCK;
}

static void test_all_are_there(void)
{
    static const char *const expected[] = {
        "borg",    "breezy",          "chromium", "cvs",       "emacs",    "eve",
        "git",     "lockfile-simple", "mail",     "mercurial", "nemoclaw", "openclaw",
        "pidfile", "postgres",        "rcs",      "restic",    "script",   "xorg"};
    const char *dirs[] = {preset_dir, NULL};
    g_auto(GStrv) names = rule_preset_list(dirs);

    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_true(g_strv_contains((const char *const *)names, expected[i]));
    for (guint i = 0; names[i]; i++) {
        const char *one[] = {names[i], NULL};
        g_autoptr(RuleSet) set = load(one);
        g_autoptr(GError) error = NULL;
        g_autofree char *description = rule_preset_describe(names[i], dirs, &error);
        g_autofree char *origin = g_strconcat("preset ", names[i], NULL);

        g_assert_no_error(error);
        g_assert_cmpuint(strlen(description), >, 10);
        g_assert_cmpstr(rule_set_rule(set, rule_set_size(set) - 1)->origin, ==, origin);
        g_assert_true(!i || strcmp(names[i - 1], names[i]) < 0);
    }
}

/* "PRESET + PATH" is a lock with that preset, "PRESET - PATH" is none; a trailing '/' is a
 * directory.
 */
static const char *const verdicts[] = {
    "git + .git/index.lock",
    "git + .git/refs/heads/mix.lock",
    "git + sub/.git/refs/heads/topic/yarn.lock",
    "git + .git/modules/a/refs/heads/bun.lock",
    "git + .git/worktrees/w/HEAD.lock",
    "git + srv/app.git/refs/heads/deno.lock",
    "git + .git/gc.pid",
    "git + .git/gc.pid.lock",
    "git + .git/modules/a/gc.pid",
    "git + srv/app.git/gc.pid",
    "git + .git/packed-refs.new",
    "git + srv/app.git/packed-refs.new",
    "git - .git/packed-refs",
    "git - packed-refs.new",
    "git - gc.pid",
    "git - mix.lock",
    "git - refs/mix.lock",
    "git - .git/logs/HEAD",
    "git - .git/index",
    "git - .git/objects/pack/pack-1.keep",
    "git - .git/worktrees/w/locked",
    "mercurial + .hg/wlock",
    "mercurial + repo/.hg/store/lock",
    "mercurial + .hg/wlock.break",
    "mercurial - .hg/store/journal",
    "mercurial - .hg/store/undo",
    "mercurial - lock",
    "mercurial - wlock",
    "pidfile + a.pid",
    "pidfile + postmaster.pid",
    "pidfile + tmp/pids/server",
    "pidfile + srv/app/tmp/pids/worker",
    "pidfile - pids/server",
    "pidfile - tmp/pids/sub/server",
    "pidfile - a.pidx",
    "postgres + data/postmaster.pid",
    "postgres + .s.PGSQL.5432.lock",
    "postgres - postmaster.opts",
    "postgres - other.pid",
    "chromium + Default/SingletonLock",
    "chromium + SingletonCookie",
    "chromium + SingletonSocket",
    "chromium - Singleton-journal",
    "xorg + .X0-lock",
    "xorg + .tX97-lock",
    "xorg - .X11-unix/",
    "xorg - .Xauthority",
    "emacs + .#notes.txt",
    "emacs + src/.#a.sql",
    "emacs - .#x.swp",
    "emacs - #notes#",
    "borg + repo/lock.exclusive/",
    "borg - repo/lock.exclusive",
    "borg - repo/lock.roster",
    "breezy + .bzr/branch/lock/held/",
    "breezy + home/.config/breezy/lock/held/",
    "breezy - .bzr/branch/lock/held",
    "breezy - .bzr/branch/lock/abc.tmp/",
    "breezy - held/",
    "cvs + root/mod/#cvs.lock/",
    "cvs + CVSROOT/#cvs.history.lock/",
    "cvs + mod/#cvs.rfl.host.17",
    "cvs + mod/#cvs.wfl.host.example.17",
    "cvs + mod/,file,",
    "cvs - mod/#cvs.rfl.c#",
    "cvs - mod/file,v",
    "rcs + RCS/,file,",
    "rcs + ,file,",
    "rcs - RCS/file,v",
    "rcs - ,file",
    "lockfile-simple + spool/state.lock",
    "lockfile-simple - spool/state",
    "restic + locks/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "restic + r/locks/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef-tmp-12",
    "restic - data/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "restic - locks/README",
    "script + lock/",
    "script + a/lockdir/",
    "script + LOCK",
    "script - locks/",
    "mail + var/mail/mix.lock",
    "mail + mail/joe.lock",
    "mail + home/joe/Mail/inbox/uv.lock",
    "mail - src/mix.lock",
    "openclaw + agents/main/sessions/0a.jsonl.lock",
    "openclaw + openclaw.json.lock",
    "openclaw + gateway.0123abcd.lock",
    "openclaw + ext/a/.openclaw-runtime-deps.lock/",
    "openclaw - gateway.0123abcd.lock.sqlite",
    "openclaw - agents/main/sessions/0a.jsonl",
    "nemoclaw + sandboxes.json.lock/",
    "nemoclaw + onboard.lock",
    "nemoclaw + .nemoclaw-portable-host.lock/",
    "nemoclaw - state/mcp-lifecycle-locks/0a.lock",
    "nemoclaw - state/mcp-lifecycle-locks/0a.lock.containment",
    "nemoclaw - sandboxes.json",
    "eve + cache/template-locks/docker/mix.lock/",
    "eve + template-locks/docker/key.lock/",
    "eve - template-locks/docker/key",
};

static void test_verdicts(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(verdicts); i++) {
        gsize name_len = strcspn(verdicts[i], " ");
        g_autofree char *name = g_strndup(verdicts[i], name_len);
        g_autofree char *path = g_strdup(verdicts[i] + name_len + 3);
        const char *one[] = {name, NULL};
        g_autoptr(RuleSet) set = load(one);
        gsize len = strlen(path);
        bool dir = path[len - 1] == '/';

        if (dir)
            path[len - 1] = '\0';
        if (is_lock(set, path, dir ? RULE_TARGET_DIR : RULE_TARGET_OTHER) !=
            (verdicts[i][name_len + 1] == '+'))
            g_error("%s", verdicts[i]);
    }
}

/* A name of `names` that a set takes for a lock in one of `dirs`. */
static void check_names(const RuleSet *set, const char *what, const char *const *dirs,
                        const char *const *names)
{
    for (; *dirs; dirs++) {
        for (const char *const *name = names; *name; name++) {
            g_autofree char *path = g_strconcat(*dirs, *name, NULL);

            if (is_lock(set, path, RULE_TARGET_UNKNOWN))
                g_error("%s takes %s for a lock", what, path);
        }
    }
}

static void check_precious(const RuleSet *set, const char *what)
{
    static const char *const dirs[] = {"",
                                       ".git/",
                                       ".git/logs/",
                                       "locks/",
                                       ".hg/",
                                       ".hg/store/",
                                       "var/mail/",
                                       "Mail/x/",
                                       "a.git/refs/",
                                       "template-locks/docker/",
                                       "mcp-lifecycle-locks/",
                                       "lock/",
                                       NULL};
    /* Everything in there is a pid file, but for what has the looks of something else. */
    static const char *const pid_dirs[] = {"tmp/pids/", "srv/tmp/pids/", NULL};
    static const char *const looks[] = {
        ".foo.swp",   ".foo.swo",    ".foo.swa",  ".bar.swn", ".#x.swp",    ".swp",
        "#foo#",      "#.lock#",     "x-journal", "db-wal",   "db-shm",     "a.db-journal",
        "a.pid-wal",  "journal.log", "journal",   "foo~",     ".foo.un~",   ".a.lock.swp",
        ".a.pid.swp", "#a.pid#",     "0001.jrnl", "a.wal",    "000003.log", NULL};
    static const char *const plain[] = {"HEAD", "ib_logfile0", "recovery.signal", "MANIFEST-000001",
                                        "undo", NULL};

    check_names(set, what, dirs, looks);
    check_names(set, what, pid_dirs, looks);
    check_names(set, what, dirs, plain);
}

/* No preset, alone or with the others, may ever match what an editor or a database recovers from.
 */
static void test_precious(void)
{
    const char *dirs[] = {preset_dir, NULL};
    g_auto(GStrv) names = rule_preset_list(dirs);
    g_autoptr(RuleSet) all = load((const char *const *)names);

    for (guint i = 0; names[i]; i++) {
        const char *one[] = {names[i], NULL};
        g_autoptr(RuleSet) set = load(one);

        check_precious(set, names[i]);
    }
    check_precious(all, "the sum of all presets");
}

static void test_unknown(void)
{
    static const char *const bad[] = {"nonsense", "", "../git", "GIT", "git.preset", "a/b"};
    g_autofree char *list = NULL;
    const char *dirs[] = {preset_dir, NULL}, *nowhere[] = {"/nowhere", "/none", NULL};
    g_auto(GStrv) names = rule_preset_list(dirs);
    g_autoptr(RuleBuilder) builder = rule_builder_new();
    g_autoptr(GError) error = NULL;

    list = g_strjoinv(", ", names);
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *message =
            g_strdup_printf("there is no preset \"%s\"; expected one of: %s", bad[i], list);

        g_assert_false(rule_preset_add(builder, bad[i], dirs, &error));
        g_assert_error(error, RULE_ERROR, RULE_ERROR_PRESET);
        g_assert_cmpstr(error->message, ==, message);
        g_clear_error(&error);
    }
    g_assert_false(rule_preset_add(builder, "git", nowhere, &error));
    g_assert_cmpstr(error->message, ==,
                    "there is no preset \"git\", nor any other; looked in: /nowhere, /none");
}

/* Writes DIR/NAME.preset; returns its path. */
static char *write_preset(const char *dir, const char *name, const char *text)
{
    char *file = g_strdup_printf("%s/%s.preset", dir, name);

    g_assert_true(g_file_set_contents(file, text, -1, NULL));
    return file;
}

static void test_first_directory_wins(void)
{
    g_autofree char *dir = g_dir_make_tmp("presets-XXXXXX", NULL);
    g_autofree char *file =
        write_preset(dir, "git", "[preset]\ndescription=mine\n[rules git]\nlock=mine\n");
    g_autofree char *ignored = write_preset(dir, "Not-a-name", "");
    const char *dirs[] = {"/nowhere", dir, preset_dir, NULL}, *only[] = {dir, NULL};
    g_autoptr(RuleBuilder) builder = rule_builder_new();
    g_autofree char *description = rule_preset_describe("git", dirs, NULL);
    g_auto(GStrv) names = rule_preset_list(only);
    g_autofree char *list = g_strjoinv(" ", names);

    g_assert_cmpstr(description, ==, "mine");
    g_assert_cmpstr(list, ==, "git");
    g_assert_true(rule_preset_add(builder, "git", dirs, NULL));
    g_assert_cmpuint(rule_builder_size(builder), ==, 1);
    g_unlink(file);
    g_unlink(ignored);
    g_rmdir(dir);
}

static void test_mistakes(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[rules a]\nlock=a\n", "[preset]: there is no description; expected description=TEXT"},
        {"[preset]\ndescription=\n[rules a]\nlock=a\n",
         "[preset]: there is no description; expected description=TEXT"},
        {"[preset]\ndescription=x\nauthor=y\n",
         "[preset] author: unknown key; expected description or see"},
        {"[preset]\ndescription=x\n[rules a]\nlock=a\n[lockfs]\nro=1\n",
         "[lockfs]: unknown group; expected [preset] or [rules NAME], NAME of letters, digits, "
         "'.', '_' and '-'"},
        {"[preset]\ndescription=x\n[rules a]\nlock=a;b[\n",
         "[rules a] lock: the pattern \"b[\" has a '[' without its ']' in the same component"},
    };
    g_autofree char *dir = g_dir_make_tmp("presets-XXXXXX", NULL);
    const char *dirs[] = {dir, NULL};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *file = write_preset(dir, "bad", cases[i].text);
        g_autofree char *message = g_strdup_printf("%s: %s", file, cases[i].message);
        g_autoptr(RuleBuilder) builder = rule_builder_new();
        g_autoptr(GError) error = NULL;

        g_assert_false(rule_preset_add(builder, "bad", dirs, &error));
        g_assert_cmpstr(error->message, ==, message);
        g_assert_cmpuint(rule_builder_size(builder), ==, 0);
        g_unlink(file);
    }
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    preset_dir = find_presets();
    g_test_add_func("/rules/preset/all-are-there", test_all_are_there);
    g_test_add_func("/rules/preset/verdicts", test_verdicts);
    g_test_add_func("/rules/preset/precious", test_precious);
    g_test_add_func("/rules/preset/unknown", test_unknown);
    g_test_add_func("/rules/preset/first-directory-wins", test_first_directory_wins);
    g_test_add_func("/rules/preset/mistakes", test_mistakes);
    status = g_test_run();
    g_free(preset_dir);
    return status;
}
