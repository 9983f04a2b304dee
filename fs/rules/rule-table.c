#include "rules/rule-table.h"

#include <string.h>

#include "rules/glob.h"

struct RuleTable {
    const RuleEntry *entries;
    gint suffixes[256]; /* heads of chains, by the last byte */
    gint globs;         /* head of the chain of all others */
    guint32 mask;
    gint literals[]; /* heads of chains, by hash */
};

static guint32 rule_table_hash(const char *name, gsize len)
{
    guint64 first = 0, last = 0, hash;

    /* Both ends of the name are enough to tell file names apart. */
    if (len >= 8) {
        memcpy(&first, name, 8);
        memcpy(&last, name + len - 8, 8);
    } else {
        for (gsize i = 0; i < len; i++)
            first = first << 8 | (guchar)name[i];
    }
    hash = (first ^ (last << 7 | last >> 57) ^ len) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
    return (guint32)(hash >> 32);
}

/* Behind any number of leading "**" components: a pattern that goes on with a mere name is one for
 * names. */
static const char *rule_entry_skip_deep(const char *glob)
{
    while (g_str_has_prefix(glob, "**/"))
        glob += 3;
    return glob;
}

RuleEntry rule_entry_make(const char *pattern, GStringChunk *strings)
{
    RuleEntry entry = {.next = -1};
    gsize len = strlen(pattern);
    bool anchored = *pattern == '/';
    const char *slash, *shallow;
    char *glob, *text;

    entry.dir_only = pattern[len - 1] == '/';
    glob = g_string_chunk_insert_len(strings, pattern + anchored,
                                     (gssize)(len - anchored - entry.dir_only));
    shallow = rule_entry_skip_deep(glob);
    slash = strrchr(glob, '/');
    if (strchr(shallow, '/') || (anchored && shallow == glob))
        entry.path = glob;
    entry.last = slash ? slash + 1 : glob;
    entry.last_len = strlen(entry.last);

    text = g_string_chunk_insert(strings, entry.last);
    entry.kind = RULE_ENTRY_GLOB;
    if (glob_literal(entry.last, entry.last_len, text))
        entry.kind = RULE_ENTRY_LITERAL;
    else if (*entry.last == '*' && glob_literal(entry.last + 1, entry.last_len - 1, text) && *text)
        entry.kind = RULE_ENTRY_SUFFIX;
    entry.text = text;
    entry.text_len = entry.kind == RULE_ENTRY_GLOB ? 0 : strlen(text);
    return entry;
}

static bool rule_entry_name_matches(const RuleEntry *entry, const RuleQuery *query)
{
    switch (entry->kind) {
    case RULE_ENTRY_LITERAL:
        return entry->text_len == query->len && !memcmp(entry->text, query->name, query->len);
    case RULE_ENTRY_SUFFIX:
        return entry->text_len <= query->len &&
               !memcmp(entry->text, query->name + query->len - entry->text_len, entry->text_len);
    default:
        return glob_match_name(entry->last, entry->last_len, query->name, query->len);
    }
}

static const char *rule_query_path(RuleQuery *query)
{
    if (!query->path_known) {
        query->path_known = true;
        query->path_text = query->path ? query->path(query->ctx) : NULL;
    }
    return query->path_text;
}

bool rule_entry_matches(const RuleEntry *entry, RuleQuery *query)
{
    const char *path;

    if (!rule_entry_name_matches(entry, query))
        return false;
    if (entry->dir_only && query->target == RULE_TARGET_OTHER)
        return false;
    if (!entry->path)
        return true;
    path = rule_query_path(query);
    return path && glob_match_path(entry->path, path);
}

static void rule_table_enter(RuleTable *table, RuleEntry *entry, gint index)
{
    gint *head = &table->globs;

    if (entry->kind == RULE_ENTRY_LITERAL)
        head = &table->literals[rule_table_hash(entry->text, entry->text_len) & table->mask];
    else if (entry->kind == RULE_ENTRY_SUFFIX)
        head = &table->suffixes[(guchar)entry->text[entry->text_len - 1]];
    entry->next = *head;
    *head = index;
}

RuleTable *rule_table_new(RuleEntry *entries, guint count)
{
    guint32 buckets = 16;
    RuleTable *table;

    while (buckets < count * 2)
        buckets *= 2;
    table = g_malloc(sizeof(*table) + buckets * sizeof(table->literals[0]));
    table->entries = entries;
    table->mask = buckets - 1;
    table->globs = -1;
    memset(table->suffixes, 0xff, sizeof(table->suffixes));
    memset(table->literals, 0xff, buckets * sizeof(table->literals[0]));
    for (guint i = 0; i < count; i++)
        rule_table_enter(table, &entries[i], (gint)i);
    return table;
}

void rule_table_free(RuleTable *table)
{
    g_free(table);
}

/* Follows a chain as long as it can hold something better than `best`. */
static gint rule_table_follow(const RuleTable *table, gint at, gint best, RuleQuery *query)
{
    for (; at > best; at = table->entries[at].next)
        if (rule_entry_matches(&table->entries[at], query))
            return at;
    return best;
}

const RuleEntry *rule_table_find(const RuleTable *table, RuleQuery *query)
{
    gint best = -1;

    if (!query->len)
        return NULL;
    best = rule_table_follow(
        table, table->literals[rule_table_hash(query->name, query->len) & table->mask], best,
        query);
    best =
        rule_table_follow(table, table->suffixes[(guchar)query->name[query->len - 1]], best, query);
    best = rule_table_follow(table, table->globs, best, query);
    return best < 0 ? NULL : &table->entries[best];
}
