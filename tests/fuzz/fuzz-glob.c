/* The glob matcher against one that tries everything. Input: a pattern, a NUL, a path.
 *
 * Holds that nothing is read beyond its end, malformed patterns included; that on short inputs the
 * result is that of a recursive matcher which follows the words of rules/glob.h and nothing else;
 * and that a rule set of that one pattern says the same as the matcher. */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "rules/glob.h"
#include "rules/rule-set.h"

#define SHORT 24
#define FEW_STARS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One class element, whose first byte is at *p; well-formed input only. */
static bool ref_in_class(const char **p, unsigned char byte)
{
    bool negated = **p == '!' || **p == '^', found = false;
    const char *first = *p + negated;

    for (*p = first; **p != ']' || *p == first;) {
        unsigned char low, high;

        *p += **p == '\\';
        low = high = (unsigned char)*(*p)++;
        if (**p == '-' && (*p)[1] != ']') {
            ++*p;
            *p += **p == '\\';
            high = (unsigned char)*(*p)++;
        }
        found = found || (byte >= low && byte <= high);
    }
    ++*p;
    return found != negated;
}

static bool ref_match(const char *p, const char *s, bool at_start)
{
    if (at_start && g_str_has_prefix(p, "**") && (!p[2] || p[2] == '/')) {
        const char *slash = strchr(s, '/');

        if (!p[2]) /* at the end: one or more components */
            return *s != '\0';
        return ref_match(p + 3, s, true) || (slash && ref_match(p, slash + 1, true));
    }
    if (!*p)
        return !*s;
    if (*p == '/')
        return *s == '/' && ref_match(p + 1, s + 1, true);
    if (*p == '*')
        return ref_match(p + 1, s, false) || (*s && *s != '/' && ref_match(p, s + 1, false));
    if (!*s || *s == '/')
        return false;
    if (*p == '[')
        return p++, ref_in_class(&p, (unsigned char)*s) && ref_match(p, s + 1, false);
    if (*p != '?') {
        p += *p == '\\';
        if (*p != *s)
            return false;
    }
    return ref_match(p + 1, s + 1, false);
}

/* As paths come: no empty component, none at the ends. */
static bool path_is_proper(const char *path)
{
    return *path && *path != '/' && !strstr(path, "//") && path[strlen(path) - 1] != '/';
}

static bool is_short(const char *pattern, const char *path)
{
    guint stars = 0;

    for (const char *at = pattern; *at; at++)
        stars += *at == '*';
    return strlen(pattern) <= SHORT && strlen(path) <= SHORT && stars <= FEW_STARS;
}

static const char *same_path(void *ctx)
{
    return ctx;
}

static void check_rule(const char *pattern, char *path, bool expected)
{
    const char *slash = strrchr(path, '/');
    RuleBuilder *builder = rule_builder_new();
    g_autoptr(RuleSet) set = NULL;

    g_assert_true(rule_builder_add(builder, RULE_LOCK, pattern, NULL, "fuzz", NULL));
    set = rule_builder_finish(builder);
    g_assert_true((rule_set_match(set, slash ? slash + 1 : path, RULE_TARGET_DIR, same_path,
                                  path) != NULL) == expected);
}

static void check_against_reference(const char *pattern, char *path)
{
    g_autofree char *core = g_strdup(pattern + (*pattern == '/'));
    char *end = core + strlen(core) - 1;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    bool path_result;

    if (*end == '/')
        *end = '\0';
    path_result = ref_match(core, path, true);
    g_assert_true(glob_match_path(core, path) == path_result);
    if (strchr(core, '/') || *pattern == '/') {
        check_rule(pattern, path, path_result);
    } else {
        bool name_result = ref_match(core, name, true);

        g_assert_true(glob_match_name(core, strlen(core), name, strlen(name)) == name_result);
        check_rule(pattern, path, name_result);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t split = nul ? (size_t)(nul - data) : size;
    g_autofree char *pattern = g_strndup((const char *)data, split);
    g_autofree char *path = g_strndup((const char *)data + split + !!nul, size - split - !!nul);
    g_autofree char *literal = g_malloc(split + 1);
    const char *problem = glob_check(pattern);

    if (size > 2 * GLOB_MAX)
        return 0;
    /* Exact copies without an end mark: reading past the lengths is seen. */
    if (split) {
        g_autofree char *bare = g_memdup2(pattern, strlen(pattern));
        g_autofree char *bare_path = g_memdup2(path, strlen(path));

        glob_match_name(bare, strlen(pattern), bare_path ? bare_path : "", strlen(path));
        glob_literal(bare, strlen(pattern), literal);
    }
    glob_match_path(pattern, path);
    if (!problem && path_is_proper(path) && is_short(pattern, path))
        check_against_reference(pattern, path);
    return 0;
}
