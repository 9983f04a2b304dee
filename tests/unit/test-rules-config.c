/* Key files: what they mean, and every mistake with its exact message. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "rules/rule-config.h"

static bool take_option(const char *key, const char *value, const char **problem, void *user)
{
    if (!strcmp(key, "retain") && strcmp(value, "10m")) {
        *problem = "expected a time such as 10m";
        return false;
    }
    if (!strcmp(key, "odd")) {
        *problem = "unknown option";
        return false;
    }
    if (user)
        g_string_append_printf(user, "%s=%s|", key, value);
    return true;
}

static RuleSet *load(const char *text, GString *options)
{
    g_autoptr(RuleBuilder) builder = rule_builder_new();
    g_autoptr(GError) error = NULL;

    rule_config_parse(builder, "t.conf", text, strlen(text), take_option, options, &error);
    g_assert_no_error(error);
    return rule_builder_finish(g_steal_pointer(&builder));
}

/* Also holds that a failure leaves the builder alone. */
static void expect_error(const char *text, gssize len, const char *message)
{
    g_autoptr(RuleBuilder) builder = rule_builder_new();
    g_autoptr(GError) error = NULL;

    rule_builder_add_everything(builder);
    g_assert_false(rule_config_parse(builder, "t.conf", text, len < 0 ? strlen(text) : (gsize)len,
                                     take_option, NULL, &error));
    g_assert_nonnull(error);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpuint(rule_builder_size(builder), ==, 1);
}

/* As people write it, and as other kinds of configuration file let them. */
static void test_trailing_comments(void)
{
    g_autoptr(RuleSet) set = load("[rules app]\n"
                                  "lock=*.lock;state/**/held   # two; of them\n"
                                  "data=#*#\t# what editors recover\n"
                                  "owner=parent          # process | parent | session\n",
                                  NULL);

    g_assert_cmpuint(rule_set_size(set), ==, 3);
    g_assert_cmpstr(rule_set_rule(set, 1)->pattern, ==, "state/**/held");
    g_assert_cmpstr(rule_set_rule(set, 2)->pattern, ==, "#*#");
    g_assert_cmpint(rule_set_rule(set, 0)->traits.owner, ==, RULE_OWNER_PARENT);
}

static void test_meaning(void)
{
    g_autoptr(RuleSet) set = load("# a comment\n"
                                  "[rules app]\n"
                                  "data=Cargo.lock\n"
                                  "  # another\n"
                                  "lock= *.lock ; state/**/held ;\n"
                                  "owner=cgroup \n"
                                  "release = anyone\n"
                                  "create=any\n"
                                  "\n"
                                  "[rules b.2_x-Y]\r\n"
                                  "lock=a\\;b;\\\\*;[#]\r\n",
                                  NULL);
    static const char *const patterns[] = {"*.lock", "state/**/held", "Cargo.lock",
                                           "a;b",    "\\*",           "[#]"};

    g_assert_cmpuint(rule_set_size(set), ==, G_N_ELEMENTS(patterns));
    for (guint i = 0; i < G_N_ELEMENTS(patterns); i++) {
        const Rule *rule = rule_set_rule(set, i);

        g_assert_cmpstr(rule->pattern, ==, patterns[i]);
        g_assert_cmpint(rule->kind, ==, i == 2 ? RULE_DATA : RULE_LOCK);
        g_assert_cmpstr(rule->origin, ==, i < 3 ? "t.conf [rules app]" : "t.conf [rules b.2_x-Y]");
        g_assert_cmpint(rule->traits.owner, ==, i < 3 ? RULE_OWNER_CGROUP : RULE_OWNER_PROCESS);
        g_assert_true(rule->traits.release_anyone == (i < 3));
        g_assert_true(rule->traits.create_any == (i < 3));
    }
}

static void test_values(void)
{
    static const char *const owners[] = {"process", "parent", "session", "container", "cgroup"};

    for (guint i = 0; i < G_N_ELEMENTS(owners); i++) {
        g_autofree char *text = g_strdup_printf(
            "[rules a]\nlock=x\nowner=%s\nrelease=owner\ncreate=exclusive\n", owners[i]);
        g_autoptr(RuleSet) set = load(text, NULL);

        g_assert_cmpint(rule_set_rule(set, 0)->traits.owner, ==, (int)i);
        g_assert_false(rule_set_rule(set, 0)->traits.release_anyone);
        g_assert_false(rule_set_rule(set, 0)->traits.create_any);
    }
}

static void test_options(void)
{
    g_autoptr(GString) options = g_string_new(NULL);
    g_autoptr(RuleSet) set = load("[lockfs]\npreset=git:pidfile\nretain=10m\nlock=a b\n", options);
    g_autoptr(RuleBuilder) builder = rule_builder_new();

    g_assert_cmpstr(options->str, ==, "preset=git:pidfile|retain=10m|lock=a b|");
    g_assert_cmpuint(rule_set_size(set), ==, 0);
    /* Without a function for them, options are passed over. */
    g_assert_true(rule_config_parse(builder, "t.conf", "[lockfs]\nodd=1\n", 15, NULL, NULL, NULL));
}

static void test_empty(void)
{
    g_autoptr(RuleSet) none = load("", NULL);
    g_autoptr(RuleSet) comments = load("# nothing\n\n", NULL);

    g_assert_cmpuint(rule_set_size(none) + rule_set_size(comments), ==, 0);
}

static void test_mistakes(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[rulez]\nlock=a\n",
         "t.conf: [rulez]: unknown group; expected [lockfs] or [rules NAME], NAME of letters, "
         "digits, '.', '_' and '-'"},
        {"[rules]\nlock=a\n",
         "t.conf: [rules]: unknown group; expected [lockfs] or [rules NAME], NAME of letters, "
         "digits, '.', '_' and '-'"},
        {"[rules a b]\nlock=a\n",
         "t.conf: [rules a b]: unknown group; expected [lockfs] or [rules NAME], NAME of letters, "
         "digits, '.', '_' and '-'"},
        {"[preset]\ndescription=x\n",
         "t.conf: [preset]: unknown group; expected [lockfs] or [rules NAME], NAME of letters, "
         "digits, '.', '_' and '-'"},
        {"[rules a]\nlokc=a\n",
         "t.conf: [rules a] lokc: unknown key; expected lock, data, owner, release or create"},
        {"[rules a]\nlock=a\nlock[de]=b\n",
         "t.conf: [rules a] lock[de]: unknown key; expected lock, data, owner, release or create"},
        {"[rules a]\nlock=a\nowner=user\n",
         "t.conf: [rules a] owner: unknown value \"user\"; expected process, parent, session, "
         "container or cgroup"},
        {"[rules a]\nlock=a\nrelease=\n",
         "t.conf: [rules a] release: unknown value \"\"; expected owner or anyone"},
        {"[rules a]\nlock=a\ncreate=Any\n",
         "t.conf: [rules a] create: unknown value \"Any\"; expected exclusive or any"},
        {"[rules a]\nlock=a\nrelease=anyone#\n",
         "t.conf: [rules a] release: unknown value \"anyone#\"; expected owner or anyone"},
        {"[rules a]\ndata=*.log; #*#\n",
         "t.conf: [rules a] data: \"*.log; #*#\": is what follows the ';' a comment or a pattern? "
         "Drop the ';' before a comment; a pattern's '#' is written [#]"},
        {"[rules a]\nlock=ok;a[b\n", "t.conf: [rules a] lock: the pattern \"a[b\" has a '[' "
                                     "without its ']' in the same component"},
        {"[rules a]\ndata=../x\n", "t.conf: [rules a] data: the pattern \"../x\" has a component "
                                   "'.' or '..', which no path has"},
        {"[rules a]\nlock=\n",
         "t.conf: [rules a] lock: no value; expected globs with ';' between them"},
        {"[rules a]\nlock=a;;b\n",
         "t.conf: [rules a] lock: an empty pattern; expected globs with ';' between them"},
        {"[rules a]\nlock=a\\*\n", "t.conf: [rules a] lock: bad escape in the value; expected \\s, "
                                   "\\t, \\n, \\r, \\; or \\\\"},
        {"[rules a]\nowner=parent\n",
         "t.conf: [rules a]: there is no rule in it; expected lock= or data="},
        {"[rules a]\nlock=a\n[rules b]\nlock=b\n[rules a]\nlock=c\n",
         "t.conf: [rules a]: line 5 opens it again, it stands on line 1; expected once"},
        {"[rules a]\nlock=a\n# so\n lock = b\n",
         "t.conf: [rules a] lock: line 4 gives it again, it stands on line 2; expected once, with "
         "';' between values"},
        {"[lockfs]\nretain=soon\n",
         "t.conf: [lockfs] retain: \"soon\": expected a time such as 10m"},
        {"[lockfs]\nretain=10x # ten\n",
         "t.conf: [lockfs] retain: \"10x\": expected a time such as 10m"},
        {"[lockfs]\nodd=1\n", "t.conf: [lockfs] odd: \"1\": unknown option"},
        {"[lockfs]\nretain=a\\q\n", "t.conf: [lockfs] retain: bad escape in the value; expected "
                                    "\\s, \\t, \\n, \\r or \\\\"},
        {"lock=a\n", "t.conf: Key file does not start with a group"},
        {"[rules a]\nlock a\n",
         "t.conf: Key file contains line “lock a” which is not a key-value pair, group, or "
         "comment"},
        {"[rules a]\nlock=a\n\n[rules b]\nlock=\xff\n",
         "t.conf: line 5 is not text; expected UTF-8 without NUL"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        expect_error(cases[i].text, -1, cases[i].message);
    expect_error("[rules a]\nlock=a\0b\n", 19,
                 "t.conf: line 2 is not text; expected UTF-8 without NUL");
}

static void test_load(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("rules-XXXXXX", &error);
    g_autofree char *file = g_build_filename(dir, "a.conf", NULL);
    g_autofree char *missing = g_build_filename(dir, "none.conf", NULL);
    g_autofree char *no_file = g_strdup_printf("%s: No such file or directory", missing);
    g_autofree char *no_text = g_strdup_printf("%s: Is a directory", dir);
    g_autoptr(RuleBuilder) builder = rule_builder_new();

    g_assert_no_error(error);
    g_assert_true(g_file_set_contents(file, "[rules a]\nlock=x;y\n", -1, NULL));
    g_assert_true(rule_config_load(builder, file, NULL, NULL, &error));
    g_assert_cmpuint(rule_builder_size(builder), ==, 2);

    g_assert_false(rule_config_load(builder, missing, NULL, NULL, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_cmpstr(error->message, ==, no_file);
    g_clear_error(&error);

    g_assert_false(rule_config_load(builder, dir, NULL, NULL, &error));
    g_assert_cmpstr(error->message, ==, no_text);
    g_assert_cmpint(g_unlink(file), ==, 0);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

int main(int argc, char **argv)
{
    g_setenv("LC_ALL", "C.UTF-8", TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rules/config/meaning", test_meaning);
    g_test_add_func("/rules/config/trailing-comments", test_trailing_comments);
    g_test_add_func("/rules/config/values", test_values);
    g_test_add_func("/rules/config/options", test_options);
    g_test_add_func("/rules/config/empty", test_empty);
    g_test_add_func("/rules/config/mistakes", test_mistakes);
    g_test_add_func("/rules/config/load", test_load);
    return g_test_run();
}
