/* A key file, read strictly: what GKeyFile would pass over in silence is an error here.
 *
 * A group or key that stands twice is refused (GKeyFile joins groups and keeps the last key, so a
 * rule would vanish), so are unknown keys and text that is not UTF-8. A '#' behind a blank begins a
 * comment, for which GKeyFile knows whole lines only.
 *
 * Every message reads "FILE: [GROUP] KEY: what was wrong, what was expected".
 */
#ifndef LOCKFS_RULES_RULE_KEYFILE_H
#define LOCKFS_RULES_RULE_KEYFILE_H

#include <glib.h>
#include <stdbool.h>

typedef struct {
    GKeyFile *keys;
    const char *file; /* borrowed: the name in messages */
} RuleKeyfile;

/* Release with rule_keyfile_clear(). */
bool rule_keyfile_parse(RuleKeyfile *keyfile, const char *file, const char *text, gsize len,
                        GError **error);
void rule_keyfile_clear(RuleKeyfile *keyfile);

/* The bytes of a file, at most 1 MiB. Fails with a GFileError code, so that "is not there" can be
 * told. */
bool rule_keyfile_slurp(const char *file, char **text, gsize *len, GError **error);

/* The keys of a group, in order; fails on one that is not in `known` (a NULL-terminated list). Free
 * with g_strfreev(). */
char **rule_keyfile_keys(const RuleKeyfile *keyfile, const char *group, const char *const *known,
                         GError **error);

/* A value without its escapes and without blanks at its ends. Free with g_free(). */
char *rule_keyfile_value(const RuleKeyfile *keyfile, const char *group, const char *key,
                         GError **error);

/* The values between the ';' of a list, likewise; at least one. Free with g_strfreev(). */
char **rule_keyfile_list(const RuleKeyfile *keyfile, const char *group, const char *key,
                         GError **error);

/* The place of a value in `names` (NULL-terminated); a wrong one fails, and the message lists them.
 */
bool rule_keyfile_choice(const RuleKeyfile *keyfile, const char *group, const char *key,
                         const char *const *names, guint *choice, GError **error);

/* Sets a message in the form above; key and group may be NULL. Always returns false. */
bool rule_keyfile_fail(const RuleKeyfile *keyfile, const char *group, const char *key,
                       GError **error, const char *format, ...) G_GNUC_PRINTF(5, 6);

/* "a, b or c". Free with g_free(). */
char *rule_keyfile_enumerate(const char *const *names);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RuleKeyfile, rule_keyfile_clear)

#endif
