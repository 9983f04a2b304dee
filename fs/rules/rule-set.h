/* Which names are locks: an immutable, compiled list of globs.
 *
 * Rules are ordered; the last one that matches decides, as in .gitignore. A pattern without '/'
 * matches a name anywhere; with '/' (other than a trailing one) it matches the path from the
 * mount's root, so a leading '/' pins a name to the root; a trailing '/' matches directories only;
 * '*' and '?' and '[...]' never cross a '/',
 * '**' as a whole component does. A leading dot is nothing special. rules/glob.h has it all.
 *
 * Matching allocates nothing and costs little for a name that no rule speaks of: literal names and
 * '*.suffix' patterns, which are nearly all, are looked up in tables; only the others are tried one
 * by one.
 *
 *     RuleBuilder *b = rule_builder_new();
 *     rule_builder_add_builtin(b);
 *     if (!rule_preset_add(b, "git", dirs, &error)) ...        // rules/rule-config.h
 *     if (!rule_builder_add(b, RULE_LOCK, "run/held", NULL, "option lock=", &error)) ...
 *     RuleSet *set = rule_builder_finish(b);       // consumes b
 *     const Rule *rule = rule_set_match(set, name, RULE_TARGET_DIR, path_of, ctx);
 */
#ifndef LOCKFS_RULES_RULE_SET_H
#define LOCKFS_RULES_RULE_SET_H

#include <glib.h>
#include <stdbool.h>

typedef enum {
    RULE_LOCK,
    RULE_DATA,
} RuleKind;

typedef enum {
    RULE_OWNER_PROCESS,
    RULE_OWNER_PARENT,
    RULE_OWNER_SESSION,
    RULE_OWNER_CONTAINER,
    RULE_OWNER_CGROUP,
} RuleOwner;

/* What a rule group can say beyond the glob. */
typedef struct {
    RuleOwner owner;
    bool release_anyone; /* release=anyone */
    bool create_any;     /* create=any */
} RuleTraits;

typedef struct {
    RuleKind kind;
    RuleTraits traits;
    const char *pattern; /* as written */
    const char *origin;  /* where it stands, for people: "built-in", "preset git", "option lock=",
                            "FILE [rules app]" */
    unsigned index;      /* its place in the list */
} Rule;

typedef enum {
    RULE_TARGET_DIR,
    RULE_TARGET_OTHER,
    RULE_TARGET_UNKNOWN, /* not known yet: rules for directories only match too */
} RuleTarget;

typedef struct RuleSet RuleSet;
typedef struct RuleBuilder RuleBuilder;

/* Gives the path from the mount's root of the name that is being matched, without a leading '/'.
 * Called at most once a match, and only when a pattern with a '/' whose last component matches is
 * there. NULL (not known) matches no such pattern. */
typedef const char *(*RulePathFunc)(void *ctx);

#define RULE_ERROR rule_error_quark()
GQuark rule_error_quark(void);
typedef enum {
    RULE_ERROR_GLOB,   /* the pattern is malformed */
    RULE_ERROR_PRESET, /* no such preset */
    RULE_ERROR_CONFIG, /* the key file */
} RuleErrorCode;

RuleBuilder *rule_builder_new(void);
void rule_builder_free(RuleBuilder *builder);

/* traits NULL: owner=process, release=owner, create=exclusive. Strings are copied. The error reads
 * `the pattern "X" has
 * ...`; the caller puts in front where X stands. */
bool rule_builder_add(RuleBuilder *builder, RuleKind kind, const char *pattern,
                      const RuleTraits *traits, const char *origin, GError **error);
void rule_builder_add_builtin(RuleBuilder *builder);

/* Every exclusive create is a lock: the base of `none` mounts. */
void rule_builder_add_everything(RuleBuilder *builder);

/* How many rules there are so far, and going back to that many: what undoes a file that failed half
 * way. */
guint rule_builder_size(const RuleBuilder *builder);
void rule_builder_truncate(RuleBuilder *builder, guint size);

/* Consumes the builder. */
RuleSet *rule_builder_finish(RuleBuilder *builder);
RuleSet *rule_set_ref(RuleSet *set);
void rule_set_unref(RuleSet *set);

/* The rule that decides for `name`; NULL when none matches (data). It lives as long as the set.
 * Thread-safe. */
const Rule *rule_set_match(const RuleSet *set, const char *name, RuleTarget target,
                           RulePathFunc path, void *ctx);

/* Every rule that matches, in order, for `explain`: calls `each` until it returns false. */
void rule_set_explain(const RuleSet *set, const char *name, RuleTarget target, RulePathFunc path,
                      void *ctx, bool (*each)(const Rule *rule, void *user), void *user);

guint rule_set_size(const RuleSet *set);

/* NULL past the end. */
const Rule *rule_set_rule(const RuleSet *set, guint index);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(RuleBuilder, rule_builder_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RuleSet, rule_set_unref)

#endif
