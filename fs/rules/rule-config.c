#include "rules/rule-config.h"

#include <string.h>

#include "rules/rule-group.h"
#include "rules/rule-keyfile.h"

typedef struct {
    RuleConfigOptionFunc option;
    void *user;
} RuleConfigSink;

static bool rule_config_add_options(const RuleKeyfile *keyfile, const char *group,
                                    const RuleConfigSink *sink, GError **error)
{
    g_auto(GStrv) keys = g_key_file_get_keys(keyfile->keys, group, NULL, NULL);

    for (guint i = 0; sink->option && keys && keys[i]; i++) {
        g_autofree char *value = rule_keyfile_value(keyfile, group, keys[i], error);
        const char *problem = "not accepted";

        if (!value)
            return false;
        if (!sink->option(keys[i], value, &problem, sink->user))
            return rule_keyfile_fail(keyfile, group, keys[i], error, "\"%s\": %s", value, problem);
    }
    return true;
}

static bool rule_config_add_group(RuleBuilder *builder, const RuleKeyfile *keyfile,
                                  const char *group, const RuleConfigSink *sink, GError **error)
{
    g_autofree char *origin = NULL;

    if (!strcmp(group, "lockfs"))
        return rule_config_add_options(keyfile, group, sink, error);
    if (!rule_group_name(group))
        return rule_keyfile_fail(keyfile, group, NULL, error,
                                 "unknown group; expected [lockfs] or [rules NAME], NAME of "
                                 "letters, digits, '.', '_' and '-'");
    origin = g_strdup_printf("%s [%s]", keyfile->file, group);
    return rule_group_add(builder, keyfile, group, origin, error);
}

bool rule_config_parse(RuleBuilder *builder, const char *file, const char *text, gsize len,
                       RuleConfigOptionFunc option, void *user, GError **error)
{
    const RuleConfigSink sink = {option, user};
    guint before = rule_builder_size(builder);
    g_auto(RuleKeyfile) keyfile = {0};
    g_auto(GStrv) groups = NULL;

    if (!rule_keyfile_parse(&keyfile, file, text, len, error))
        return false;
    groups = g_key_file_get_groups(keyfile.keys, NULL);
    for (guint i = 0; groups[i]; i++) {
        if (!rule_config_add_group(builder, &keyfile, groups[i], &sink, error)) {
            rule_builder_truncate(builder, before);
            return false;
        }
    }
    return true;
}

bool rule_config_load(RuleBuilder *builder, const char *file, RuleConfigOptionFunc option,
                      void *user, GError **error)
{
    g_autofree char *text = NULL;
    gsize len;

    return rule_keyfile_slurp(file, &text, &len, error) &&
           rule_config_parse(builder, file, text, len, option, user, error);
}
