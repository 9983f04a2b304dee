/* What is shown of a file: its attributes, and for how long the kernel may believe them. */
#ifndef LOCKFS_ENGINE_ENTRY_H
#define LOCKFS_ENGINE_ENTRY_H

#include "engine/engine.h"

/* Is this name a lock for the rules? NULL: no. Lock held. */
const Rule *entry_rule(Engine *engine, Node *dir, const char *name, RuleTarget target);

/* The same, also when that rule says data. Lock held. */
const Rule *entry_rule_that_decides(Engine *engine, Node *dir, const char *name, RuleTarget target);

/* The path from the root, in the engine's scratch string. Lock held. */
const char *entry_path(Engine *engine, Node *dir, const char *name);

/* The same of a node that has a name; "" for the root. */
const char *entry_path_of(Engine *engine, const Node *node);

/* Appends every rule that matches, in order; the last one decides. Lock held. */
void entry_explain(Engine *engine, Node *dir, const char *name, RuleTarget target,
                   GPtrArray *rules);

/* Fills in a reply about `node`, found under (dir, name). Names of locks are never believed: their
 * owner may die at any time. Takes a reference for the kernel. */
void entry_fill(Engine *engine, Node *dir, const char *name, Node *node, const struct stat *st,
                Entry *entry);

/* The answer that nothing is there. */
void entry_fill_absent(Engine *engine, Node *dir, const char *name, Entry *entry);

/* Attributes of a node as this caller is to see them, with their timeout. */
void entry_dress(Engine *engine, const Caller *caller, Node *node, Entry *entry);

#endif
