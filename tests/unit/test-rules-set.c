/* The rule set: which rule decides. */
#include <glib.h>
#include <string.h>

#include "rules/rule-set.h"

typedef struct {
    const char *text;
    int calls;
} PathOf;

static const char *path_of(void *ctx)
{
    PathOf *path = ctx;

    path->calls++;
    return path->text;
}

/* Words: "+GLOB" a lock rule, "-GLOB" a data rule. */
static RuleSet *make_set(const char *words)
{
    RuleBuilder *builder = rule_builder_new();
    g_auto(GStrv) list = g_strsplit(words, " ", -1);

    for (guint i = 0; list[i]; i++) {
        g_autoptr(GError) error = NULL;

        rule_builder_add(builder, *list[i] == '+' ? RULE_LOCK : RULE_DATA, list[i] + 1, NULL,
                         "test", &error);
        g_assert_no_error(error);
    }
    return rule_builder_finish(builder);
}

/* The pattern that decides for a path, "none" without one. */
static const char *decides_as(const RuleSet *set, const char *text, RuleTarget target)
{
    const char *slash = strrchr(text, '/');
    PathOf path = {text, 0};
    const Rule *rule = rule_set_match(set, slash ? slash + 1 : text, target, path_of, &path);

    g_assert_cmpint(path.calls, <=, 1);
    return rule ? rule->pattern : "none";
}

static const char *decides(const RuleSet *set, const char *text)
{
    return decides_as(set, text, RULE_TARGET_OTHER);
}

static void test_empty(void)
{
    g_autoptr(RuleSet) set = rule_builder_finish(rule_builder_new());

    g_assert_cmpuint(rule_set_size(set), ==, 0);
    g_assert_null(rule_set_match(set, "a.lock", RULE_TARGET_DIR, NULL, NULL));
    g_assert_null(rule_set_rule(set, 0));
}

static void test_last_match_wins(void)
{
    g_autoptr(RuleSet) set = make_set("+*.lock -a.lock +a* -[a]?.lock");
    g_autoptr(RuleSet) back = make_set("-[a]?.lock +a* -a.lock +*.lock");

    g_assert_cmpstr(decides(set, "x.lock"), ==, "*.lock");
    g_assert_cmpstr(decides(set, "a.lock"), ==, "a*");
    g_assert_cmpstr(decides(set, "ab.lock"), ==, "[a]?.lock");
    g_assert_cmpstr(decides(set, "abc"), ==, "a*");
    g_assert_cmpstr(decides(set, "x"), ==, "none");
    g_assert_cmpstr(decides(back, "ab.lock"), ==, "*.lock");
    g_assert_cmpstr(decides(back, "a.lock"), ==, "*.lock");
    g_assert_cmpstr(decides(back, "a"), ==, "a*");
}

static void test_same_name_twice(void)
{
    g_autoptr(RuleSet) set = make_set("+x/a -a +y/a -z/a");

    g_assert_cmpstr(decides(set, "x/a"), ==, "a");
    g_assert_cmpstr(decides(set, "y/a"), ==, "y/a");
    g_assert_cmpstr(decides(set, "z/a"), ==, "z/a");
    g_assert_cmpstr(decides(set, "q/a"), ==, "a");
}

static void test_dir_only(void)
{
    g_autoptr(RuleSet) set = make_set("-held +held/");

    g_assert_cmpstr(decides_as(set, "held", RULE_TARGET_DIR), ==, "held/");
    g_assert_cmpstr(decides_as(set, "held", RULE_TARGET_UNKNOWN), ==, "held/");
    g_assert_cmpstr(decides_as(set, "held", RULE_TARGET_OTHER), ==, "held");
    g_assert_cmpstr(decides_as(set, "a/b/held", RULE_TARGET_DIR), ==, "held/");
}

static void test_paths(void)
{
    g_autoptr(RuleSet) set = make_set("+run/held +/top +**/any +a/**/deep +s/** -s/keep");

    g_assert_cmpstr(decides(set, "run/held"), ==, "run/held");
    g_assert_cmpstr(decides(set, "x/run/held"), ==, "none");
    g_assert_cmpstr(decides(set, "held"), ==, "none");
    g_assert_cmpstr(decides(set, "top"), ==, "/top");
    g_assert_cmpstr(decides(set, "x/top"), ==, "none");
    g_assert_cmpstr(decides(set, "any"), ==, "**/any");
    g_assert_cmpstr(decides(set, "x/y/any"), ==, "**/any");
    g_assert_cmpstr(decides(set, "a/deep"), ==, "a/**/deep");
    g_assert_cmpstr(decides(set, "a/b/c/deep"), ==, "a/**/deep");
    g_assert_cmpstr(decides(set, "b/deep"), ==, "none");
    g_assert_cmpstr(decides(set, "s/x/y"), ==, "s/**");
    g_assert_cmpstr(decides(set, "s"), ==, "none");
    g_assert_cmpstr(decides(set, "s/keep"), ==, "s/keep");
    g_assert_cmpstr(decides(set, "s/x/keep"), ==, "s/**");
}

static void test_escapes(void)
{
    g_autoptr(RuleSet) set = make_set("+\\*x +*\\? +[*]y");

    g_assert_cmpstr(decides(set, "*x"), ==, "\\*x");
    g_assert_cmpstr(decides(set, "ax"), ==, "none");
    g_assert_cmpstr(decides(set, "ab?"), ==, "*\\?");
    g_assert_cmpstr(decides(set, "abc"), ==, "none");
    g_assert_cmpstr(decides(set, "*y"), ==, "[*]y");
}

/* The path costs a walk up the tree, so it is asked for when a last component matched, and once. */
static void test_path_asked_late(void)
{
    g_autoptr(RuleSet) set = make_set("+a/held +b/held +c/*.lock +**/plain");
    PathOf path = {"c/held", 0};

    g_assert_null(rule_set_match(set, "other", RULE_TARGET_DIR, path_of, &path));
    g_assert_nonnull(rule_set_match(set, "plain", RULE_TARGET_DIR, path_of, &path));
    g_assert_cmpint(path.calls, ==, 0);
    g_assert_null(rule_set_match(set, "held", RULE_TARGET_DIR, path_of, &path));
    g_assert_cmpint(path.calls, ==, 1);
}

static void test_path_unknown(void)
{
    g_autoptr(RuleSet) set = make_set("+held -a/held");
    PathOf path = {NULL, 0};

    g_assert_cmpstr(rule_set_match(set, "held", RULE_TARGET_DIR, path_of, &path)->pattern, ==,
                    "held");
    g_assert_cmpstr(rule_set_match(set, "held", RULE_TARGET_DIR, NULL, NULL)->pattern, ==, "held");
}

static bool note(const Rule *rule, void *user)
{
    GString *out = user;

    g_string_append_printf(out, "%u:%s ", rule->index, rule->pattern);
    return strcmp(rule->pattern, "stop");
}

static void test_explain(void)
{
    g_autoptr(RuleSet) set = make_set("+*.lock -no +?.lock -x/a.lock +a.lock/ +stop +st*");
    g_autoptr(GString) out = g_string_new(NULL);
    PathOf path = {"x/a.lock", 0};

    rule_set_explain(set, "a.lock", RULE_TARGET_OTHER, path_of, &path, note, out);
    g_assert_cmpstr(out->str, ==, "0:*.lock 2:?.lock 3:x/a.lock ");
    g_string_truncate(out, 0);
    rule_set_explain(set, "stop", RULE_TARGET_OTHER, NULL, NULL, note, out);
    g_assert_cmpstr(out->str, ==, "5:stop ");
}

static void test_rule_is_as_given(void)
{
    RuleBuilder *builder = rule_builder_new();
    RuleTraits traits = {RULE_OWNER_CGROUP, true, true};
    g_autoptr(RuleSet) set = NULL;
    const Rule *rule;
    char pattern[] = "/a/b/", origin[] = "option lock=";

    g_assert_true(rule_builder_add(builder, RULE_LOCK, pattern, &traits, origin, NULL));
    g_assert_true(rule_builder_add(builder, RULE_DATA, "b", NULL, origin, NULL));
    memset(pattern, 'x', sizeof(pattern) - 1);
    memset(origin, 'x', sizeof(origin) - 1);
    set = rule_builder_finish(builder);
    rule = rule_set_rule(set, 0);
    g_assert_cmpstr(rule->pattern, ==, "/a/b/");
    g_assert_cmpstr(rule->origin, ==, "option lock=");
    g_assert_cmpint(rule->kind, ==, RULE_LOCK);
    g_assert_cmpint(rule->traits.owner, ==, RULE_OWNER_CGROUP);
    g_assert_true(rule->traits.release_anyone && rule->traits.create_any);
    rule = rule_set_rule(set, 1);
    g_assert_cmpint(rule->traits.owner, ==, RULE_OWNER_PROCESS);
    g_assert_true(!rule->traits.release_anyone && !rule->traits.create_any);
    g_assert_null(rule_set_rule(set, 2));
}

static void test_bad_glob(void)
{
    g_autoptr(RuleBuilder) builder = rule_builder_new();
    g_autoptr(GError) error = NULL;

    g_assert_false(rule_builder_add(builder, RULE_LOCK, "a[", NULL, "test", &error));
    g_assert_error(error, RULE_ERROR, RULE_ERROR_GLOB);
    g_assert_cmpstr(error->message, ==,
                    "the pattern \"a[\" has a '[' without its ']' in the same component");
    g_assert_cmpuint(rule_builder_size(builder), ==, 0);
}

static void test_truncate(void)
{
    RuleBuilder *builder = rule_builder_new();
    g_autoptr(RuleSet) set = NULL;

    g_assert_true(rule_builder_add(builder, RULE_LOCK, "a", NULL, "test", NULL));
    g_assert_true(rule_builder_add(builder, RULE_LOCK, "b", NULL, "test", NULL));
    rule_builder_truncate(builder, 1);
    g_assert_true(rule_builder_add(builder, RULE_LOCK, "c", NULL, "test", NULL));
    set = rule_builder_finish(builder);
    g_assert_cmpuint(rule_set_size(set), ==, 2);
    g_assert_cmpstr(decides(set, "b"), ==, "none");
    g_assert_cmpuint(rule_set_match(set, "c", RULE_TARGET_DIR, NULL, NULL)->index, ==, 1);
}

static void test_everything(void)
{
    RuleBuilder *builder = rule_builder_new();
    g_autoptr(RuleSet) set = NULL;

    rule_builder_add_builtin(builder);
    rule_builder_add_everything(builder);
    set = rule_builder_finish(builder);
    g_assert_cmpstr(decides(set, "x/anything"), ==, "*");
    g_assert_cmpstr(decides(set, "Cargo.lock"), ==, "*");
}

/* Every data name of the list must be one that the lock names of the list would have caught, or it
 * says nothing. */
static void test_builtin(void)
{
    static const char *const locks[] = {
        "a.lock", ".lock",         "index.lock", "sandboxes.json.lock",
        "x.lck",  "queue.lockdir", ".X.lock",    "cargo.lock"};
    static const char *const data[] = {
        "Cargo.lock", "yarn.lock",  "poetry.lock", "Gemfile.lock", "composer.lock",    "flake.lock",
        "uv.lock",    "pdm.lock",   "mix.lock",    "pubspec.lock", "Podfile.lock",     "deno.lock",
        "bun.lock",   "Chart.lock", "buf.lock",    "Pipfile.lock", "Gemfile.next.lock"};
    static const char *const none[] = {"lock", "Cargo.lock.tmp", "package-lock.json", "a.locked"};
    RuleBuilder *builder = rule_builder_new();
    g_autoptr(RuleSet) set = NULL;

    rule_builder_add_builtin(builder);
    set = rule_builder_finish(builder);
    for (gsize i = 0; i < G_N_ELEMENTS(locks); i++)
        g_assert_cmpint(rule_set_match(set, locks[i], RULE_TARGET_DIR, NULL, NULL)->kind, ==,
                        RULE_LOCK);
    for (gsize i = 0; i < G_N_ELEMENTS(data); i++)
        g_assert_cmpint(rule_set_match(set, data[i], RULE_TARGET_OTHER, NULL, NULL)->kind, ==,
                        RULE_DATA);
    for (gsize i = 0; i < G_N_ELEMENTS(none); i++)
        g_assert_null(rule_set_match(set, none[i], RULE_TARGET_OTHER, NULL, NULL));
    for (guint i = 0; i < rule_set_size(set); i++) {
        const Rule *rule = rule_set_rule(set, i);

        g_assert_cmpstr(rule->origin, ==, "built-in");
        g_assert_true(rule->kind == RULE_LOCK || g_str_has_suffix(rule->pattern, ".lock"));
        g_assert_null(strchr(rule->pattern, '/'));
    }
}

/* How long a name takes that no rule speaks of, which is nearly every name. Reported, not judged.
 */
static void test_cost_of_a_miss(void)
{
    static const char *const names[] = {
        "main.c", "package.json", "0123456789abcdef0123456789abcdef",
        "work",   "README.md",    "node_modules"};
    const guint rounds = g_test_perf() ? 20000000 : 200000;
    RuleBuilder *builder = rule_builder_new();
    g_autoptr(RuleSet) set = NULL;
    gint64 start;

    rule_builder_add_builtin(builder);
    set = rule_builder_finish(builder);
    start = g_get_monotonic_time();
    for (guint i = 0; i < rounds; i++)
        g_assert_null(
            rule_set_match(set, names[i % G_N_ELEMENTS(names)], RULE_TARGET_DIR, NULL, NULL));
    g_test_message("a miss with %u rules: %.1f ns", rule_set_size(set),
                   (double)(g_get_monotonic_time() - start) * 1000 / rounds);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rules/set/empty", test_empty);
    g_test_add_func("/rules/set/last-match-wins", test_last_match_wins);
    g_test_add_func("/rules/set/same-name-twice", test_same_name_twice);
    g_test_add_func("/rules/set/dir-only", test_dir_only);
    g_test_add_func("/rules/set/paths", test_paths);
    g_test_add_func("/rules/set/escapes", test_escapes);
    g_test_add_func("/rules/set/path-asked-late", test_path_asked_late);
    g_test_add_func("/rules/set/path-unknown", test_path_unknown);
    g_test_add_func("/rules/set/explain", test_explain);
    g_test_add_func("/rules/set/rule-is-as-given", test_rule_is_as_given);
    g_test_add_func("/rules/set/bad-glob", test_bad_glob);
    g_test_add_func("/rules/set/truncate", test_truncate);
    g_test_add_func("/rules/set/everything", test_everything);
    g_test_add_func("/rules/set/builtin", test_builtin);
    g_test_add_func("/rules/set/cost-of-a-miss", test_cost_of_a_miss);
    return g_test_run();
}
