#include "rules/rule-group.h"

#include <string.h>

static const char *const rule_group_keys[] = {"lock", "data", "owner", "release", "create", NULL};
/* In the order of RuleOwner. */
static const char *const rule_group_owners[] = {"process",   "parent", "session",
                                                "container", "cgroup", NULL};
static const char *const rule_group_releases[] = {"owner", "anyone", NULL};
static const char *const rule_group_creates[] = {"exclusive", "any", NULL};

const char *rule_group_name(const char *group)
{
    static const char prefix[] = "rules ";
    const char *name = group + strlen(prefix);

    if (!g_str_has_prefix(group, prefix) || !*name)
        return NULL;
    for (const char *at = name; *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr("._-", *at))
            return NULL;
    return name;
}

/* Leaves *choice alone when the key is not there. */
static bool rule_group_choice(const RuleKeyfile *keyfile, const char *group, const char *key,
                              const char *const *names, guint *choice, GError **error)
{
    if (!g_key_file_has_key(keyfile->keys, group, key, NULL))
        return true;
    return rule_keyfile_choice(keyfile, group, key, names, choice, error);
}

static bool rule_group_traits(const RuleKeyfile *keyfile, const char *group, RuleTraits *traits,
                              GError **error)
{
    guint owner = RULE_OWNER_PROCESS, release = 0, create = 0;

    if (!rule_group_choice(keyfile, group, "owner", rule_group_owners, &owner, error) ||
        !rule_group_choice(keyfile, group, "release", rule_group_releases, &release, error) ||
        !rule_group_choice(keyfile, group, "create", rule_group_creates, &create, error))
        return false;
    *traits = (RuleTraits){
        .owner = (RuleOwner)owner, .release_anyone = release == 1, .create_any = create == 1};
    return true;
}

static bool rule_group_add_globs(RuleBuilder *builder, const RuleKeyfile *keyfile,
                                 const char *group, RuleKind kind, const RuleTraits *traits,
                                 const char *origin, GError **error)
{
    const char *key = kind == RULE_LOCK ? "lock" : "data";
    g_auto(GStrv) globs = NULL;

    if (!g_key_file_has_key(keyfile->keys, group, key, NULL))
        return true;
    globs = rule_keyfile_list(keyfile, group, key, error);
    for (guint i = 0; globs && globs[i]; i++) {
        if (!rule_builder_add(builder, kind, globs[i], traits, origin, error)) {
            g_prefix_error(error, "%s: [%s] %s: ", keyfile->file, group, key);
            return false;
        }
    }
    return globs != NULL;
}

bool rule_group_add(RuleBuilder *builder, const RuleKeyfile *keyfile, const char *group,
                    const char *origin, GError **error)
{
    g_auto(GStrv) keys = rule_keyfile_keys(keyfile, group, rule_group_keys, error);
    guint before = rule_builder_size(builder);
    RuleTraits traits;

    if (!keys || !rule_group_traits(keyfile, group, &traits, error) ||
        !rule_group_add_globs(builder, keyfile, group, RULE_LOCK, &traits, origin, error) ||
        !rule_group_add_globs(builder, keyfile, group, RULE_DATA, &traits, origin, error))
        return false;
    if (rule_builder_size(builder) == before)
        return rule_keyfile_fail(keyfile, group, NULL, error,
                                 "there is no rule in it; expected lock= or data=");
    return true;
}
