#include "rules/rule-set.h"

#include <string.h>

#include "rules/builtin.h"
#include "rules/glob.h"
#include "rules/rule-table.h"

struct RuleBuilder {
    GArray *entries; /* of RuleEntry */
    GStringChunk *strings;
};

struct RuleSet {
    gatomicrefcount refs;
    guint size;
    RuleEntry *entries;
    GStringChunk *strings;
    RuleTable *table;
};

G_DEFINE_QUARK(lockfs - rule - error, rule_error)

RuleBuilder *rule_builder_new(void)
{
    RuleBuilder *builder = g_new(RuleBuilder, 1);

    builder->entries = g_array_new(FALSE, FALSE, sizeof(RuleEntry));
    builder->strings = g_string_chunk_new(4096);
    return builder;
}

void rule_builder_free(RuleBuilder *builder)
{
    if (!builder)
        return;
    g_array_free(builder->entries, TRUE);
    g_string_chunk_free(builder->strings);
    g_free(builder);
}

static void rule_builder_append(RuleBuilder *builder, RuleKind kind, const char *pattern,
                                const RuleTraits *traits, const char *origin)
{
    RuleEntry entry = rule_entry_make(pattern, builder->strings);

    entry.rule = (Rule){
        .kind = kind,
        .traits = traits ? *traits : (RuleTraits){.owner = RULE_OWNER_PROCESS},
        .pattern = g_string_chunk_insert_const(builder->strings, pattern),
        .origin = g_string_chunk_insert_const(builder->strings, origin),
        .index = builder->entries->len,
    };
    g_array_append_val(builder->entries, entry);
}

bool rule_builder_add(RuleBuilder *builder, RuleKind kind, const char *pattern,
                      const RuleTraits *traits, const char *origin, GError **error)
{
    const char *problem = glob_check(pattern);

    if (problem) {
        g_set_error(error, RULE_ERROR, RULE_ERROR_GLOB, "the pattern \"%s\" %s", pattern, problem);
        return false;
    }
    rule_builder_append(builder, kind, pattern, traits, origin);
    return true;
}

void rule_builder_add_builtin(RuleBuilder *builder)
{
    for (const BuiltinRule *rule = builtin_rules; rule->pattern; rule++)
        rule_builder_append(builder, rule->kind, rule->pattern, NULL, "built-in");
}

void rule_builder_add_everything(RuleBuilder *builder)
{
    rule_builder_append(builder, RULE_LOCK, "*", NULL, "mount of none");
}

guint rule_builder_size(const RuleBuilder *builder)
{
    return builder->entries->len;
}

void rule_builder_truncate(RuleBuilder *builder, guint size)
{
    g_return_if_fail(size <= builder->entries->len);
    g_array_set_size(builder->entries, size);
}

RuleSet *rule_builder_finish(RuleBuilder *builder)
{
    RuleSet *set = g_new(RuleSet, 1);

    g_atomic_ref_count_init(&set->refs);
    set->size = builder->entries->len;
    set->entries = (RuleEntry *)(void *)g_array_free(builder->entries, FALSE);
    set->strings = builder->strings;
    set->table = rule_table_new(set->entries, set->size);
    g_free(builder);
    return set;
}

RuleSet *rule_set_ref(RuleSet *set)
{
    g_atomic_ref_count_inc(&set->refs);
    return set;
}

void rule_set_unref(RuleSet *set)
{
    if (!set || !g_atomic_ref_count_dec(&set->refs))
        return;
    rule_table_free(set->table);
    g_string_chunk_free(set->strings);
    g_free(set->entries);
    g_free(set);
}

static RuleQuery rule_set_query(const char *name, RuleTarget target, RulePathFunc path, void *ctx)
{
    return (RuleQuery){
        .name = name, .len = strlen(name), .target = target, .path = path, .ctx = ctx};
}

const Rule *rule_set_match(const RuleSet *set, const char *name, RuleTarget target,
                           RulePathFunc path, void *ctx)
{
    RuleQuery query = rule_set_query(name, target, path, ctx);
    const RuleEntry *entry = rule_table_find(set->table, &query);

    return entry ? &entry->rule : NULL;
}

void rule_set_explain(const RuleSet *set, const char *name, RuleTarget target, RulePathFunc path,
                      void *ctx, bool (*each)(const Rule *rule, void *user), void *user)
{
    RuleQuery query = rule_set_query(name, target, path, ctx);

    for (guint i = 0; query.len && i < set->size; i++)
        if (rule_entry_matches(&set->entries[i], &query) && !each(&set->entries[i].rule, user))
            return;
}

guint rule_set_size(const RuleSet *set)
{
    return set->size;
}

const Rule *rule_set_rule(const RuleSet *set, guint index)
{
    return index < set->size ? &set->entries[index].rule : NULL;
}
