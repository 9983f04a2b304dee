/* lockfs.conf and presets: key files (GKeyFile) that say rules and options.
 *
 *     [lockfs]                  options, one key each, spelled as on the command line
 *     preset=git:pidfile
 *     [rules NAME]              a set of rules
 *     lock=GLOB;GLOB
 *     data=GLOB;GLOB
 *     owner=process|parent|session|container|cgroup
 *     release=owner|anyone
 *     create=exclusive|any
 *
 * A mistake is an error that reads "FILE: [GROUP] KEY: what was wrong, what was expected". A preset
 * is the same kind of file without a [lockfs] group but with a [preset] group: description= (one
 * line, required), see=.
 *
 * NAME is made of letters, digits, '.', '_' and '-'. Blanks around a glob do not count. GKeyFile's
 * escapes go first: a backslash for the glob is written twice, a ';' that belongs to a glob is
 * written \;. Comments are whole lines; "owner=process  # us" is refused, and so is a glob with a
 * '#' behind a blank (write [#]). A group or key that stands twice is refused.
 *
 * When one of these functions fails, the builder is as it was before; the options of a [lockfs]
 * group in front of the mistake have been handed out, though.
 */
#ifndef LOCKFS_RULES_RULE_CONFIG_H
#define LOCKFS_RULES_RULE_CONFIG_H

#include "rules/rule-set.h"

/* Called for each key of [lockfs] in the order of the file. Returns false and sets *problem (a
 * static or interned text: what was expected) to refuse it. `value` is without escapes and without
 * blanks at its ends. It may add to the builder (preset=, lock=). */
typedef bool (*RuleConfigOptionFunc)(const char *key, const char *value, const char **problem,
                                     void *user);

/* Reads a key file. Rules are appended in the order they stand in the file; within one group all
 * `lock=` globs come first, then all `data=` globs (so data makes exceptions). `option` NULL: the
 * [lockfs] group is passed over. A file that cannot be read fails with a GFileError code, all else
 * with RULE_ERROR_CONFIG or RULE_ERROR_GLOB. */
bool rule_config_load(RuleBuilder *builder, const char *file, RuleConfigOptionFunc option,
                      void *user, GError **error);

/* The same on bytes in memory; `file` names them in messages. (What the fuzzer calls.) */
bool rule_config_parse(RuleBuilder *builder, const char *file, const char *text, gsize len,
                       RuleConfigOptionFunc option, void *user, GError **error);

/* Adds the preset NAME, looked up in the directories of `dirs` (NULL-terminated), first hit wins.
 * An unknown name's message lists the known ones. Names are [a-z0-9-]+, nothing else is opened. */
bool rule_preset_add(RuleBuilder *builder, const char *name, const char *const *dirs,
                     GError **error);

/* The names of all presets in `dirs`, sorted, each once. Free with g_strfreev. */
char **rule_preset_list(const char *const *dirs);

/* The description= of a preset. Free with g_free(). */
char *rule_preset_describe(const char *name, const char *const *dirs, GError **error);

#endif
