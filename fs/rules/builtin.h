/* The rules every mount begins with: what a lock is called, and the data files that are called the
 * same. */
#ifndef LOCKFS_RULES_BUILTIN_H
#define LOCKFS_RULES_BUILTIN_H

#include "rules/rule-set.h"

typedef struct {
    RuleKind kind;
    const char *pattern;
} BuiltinRule;

/* Ends with a NULL pattern. */
extern const BuiltinRule builtin_rules[];

#endif
