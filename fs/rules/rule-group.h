/* One [rules NAME] group of a key file: its globs and what goes for all of them. */
#ifndef LOCKFS_RULES_RULE_GROUP_H
#define LOCKFS_RULES_RULE_GROUP_H

#include "rules/rule-keyfile.h"
#include "rules/rule-set.h"

/* The NAME of "rules NAME"; NULL when the group is called otherwise. NAME is made of letters,
 * digits, '.', '_' and '-'. */
const char *rule_group_name(const char *group);

/* Appends the rules of a group: first those of lock=, then those of data=. */
bool rule_group_add(RuleBuilder *builder, const RuleKeyfile *keyfile, const char *group,
                    const char *origin, GError **error);

#endif
