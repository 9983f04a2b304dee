/* The compiled form of a rule set: which rules can match a name at all, without trying them one by
 * one.
 *
 * Each rule is entered by the last component of its pattern: a literal name in a hash table, '*'
 * and a literal ("*.lock") by the last byte of that, anything else in a list that is tried. Every
 * chain runs from the last rule to the first, so its first hit is its best.
 */
#ifndef LOCKFS_RULES_RULE_TABLE_H
#define LOCKFS_RULES_RULE_TABLE_H

#include "rules/rule-set.h"

typedef enum {
    RULE_ENTRY_LITERAL, /* `text` is the name */
    RULE_ENTRY_SUFFIX,  /* `text` is what the name ends with */
    RULE_ENTRY_GLOB,    /* `last` is to be tried */
} RuleEntryKind;

typedef struct {
    Rule rule;
    RuleEntryKind kind;
    bool dir_only;
    const char *path; /* the whole path must match this; NULL: any path */
    const char *last; /* the pattern's last component */
    gsize last_len;
    const char *text;
    gsize text_len;
    gint next; /* the rule before this one in the same chain, -1 at its end */
} RuleEntry;

/* What is being matched. The path is asked for once, when it is first needed. */
typedef struct {
    const char *name;
    gsize len;
    RuleTarget target;
    RulePathFunc path;
    void *ctx;
    const char *path_text;
    bool path_known;
} RuleQuery;

typedef struct RuleTable RuleTable;

/* Takes `pattern` (which glob_check() accepted) apart. The strings live in `strings`. */
RuleEntry rule_entry_make(const char *pattern, GStringChunk *strings);
bool rule_entry_matches(const RuleEntry *entry, RuleQuery *query);

/* Works on `entries`, which must stay where they are; sets their `next`. */
RuleTable *rule_table_new(RuleEntry *entries, guint count);
void rule_table_free(RuleTable *table);

/* The last entry that matches; NULL when none does. */
const RuleEntry *rule_table_find(const RuleTable *table, RuleQuery *query);

#endif
