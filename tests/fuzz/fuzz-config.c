/* Any bytes as a configuration. Holds that a failure has a message which names the file and leaves
 * the builder as it was, that what is accepted yields well-formed rules, and the same ones again
 * the second time. */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "rules/glob.h"
#include "rules/rule-config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take_option(const char *key, const char *value, const char **problem, void *user)
{
    guint *options = user;

    g_assert_true(*key);
    g_assert_true(g_utf8_validate(value, -1, NULL));
    *problem = "expected another";
    ++*options;
    return strcmp(value, "no");
}

static void check_failure(const RuleBuilder *builder, const GError *error)
{
    g_assert_nonnull(error);
    g_assert_true(g_str_has_prefix(error->message, "fuzz.conf: "));
    g_assert_cmpuint(rule_builder_size(builder), ==, 1);
}

static RuleSet *parse(const uint8_t *data, size_t size, guint *options)
{
    g_autoptr(RuleBuilder) builder = rule_builder_new();
    g_autoptr(GError) error = NULL;

    rule_builder_add_everything(builder);
    if (!rule_config_parse(builder, "fuzz.conf", (const char *)data, size, take_option, options,
                           &error)) {
        check_failure(builder, error);
        return NULL;
    }
    g_assert_null(error);
    return rule_builder_finish(g_steal_pointer(&builder));
}

static void check_rule(const Rule *rule, const Rule *again)
{
    g_assert_null(glob_check(rule->pattern));
    g_assert_cmpuint(rule->traits.owner, <=, RULE_OWNER_CGROUP);
    g_assert_cmpstr(rule->pattern, ==, again->pattern);
    g_assert_cmpstr(rule->origin, ==, again->origin);
    g_assert_cmpint(rule->kind, ==, again->kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* No end mark: reading past the length is seen. */
    g_autofree uint8_t *bare = g_memdup2(data, size);
    guint options = 0, options_again = 0;
    g_autoptr(RuleSet) set = parse(bare, size, &options);
    g_autoptr(RuleSet) again = parse(bare, size, &options_again);

    g_assert_true(!set == !again);
    g_assert_cmpuint(options, ==, options_again);
    if (!set)
        return 0;
    g_assert_cmpuint(rule_set_size(set), ==, rule_set_size(again));
    for (guint i = 0; i < rule_set_size(set); i++)
        check_rule(rule_set_rule(set, i), rule_set_rule(again, i));
    g_assert_nonnull(rule_set_match(set, "name", RULE_TARGET_DIR, NULL, NULL));
    return 0;
}
