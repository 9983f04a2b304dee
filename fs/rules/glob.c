#include "rules/glob.h"

#include <string.h>

typedef struct {
    const char *at;
    size_t len;
} GlobPart;

static const char glob_unclosed[] = "has a '[' without its ']' in the same component";

/* One end of a range; *at is left behind it. */
static bool glob_class_byte(const char **at, const char *end, unsigned char *byte)
{
    if (*at < end && **at == '\\')
        ++*at;
    if (*at >= end)
        return false;
    *byte = (unsigned char)*(*at)++;
    return true;
}

static bool glob_class_is_named(const char *at, const char *end)
{
    return *at == '[' && at + 1 < end && (at[1] == ':' || at[1] == '.' || at[1] == '=');
}

/* Reads a class from behind its '[', says whether it holds `byte` and returns what follows the ']'.
 * NULL and a reason when it is malformed. */
static const char *glob_class(const char *at, const char *end, unsigned char byte, bool *holds,
                              const char **problem)
{
    bool negated = at < end && (*at == '!' || *at == '^');
    bool found = false;

    at += negated;
    for (const char *first = at; at < end && (*at != ']' || at == first);) {
        unsigned char low, high;

        if (glob_class_is_named(at, end)) {
            *problem = "has a class such as [:alpha:], which is not supported; write ranges";
            return NULL;
        }
        if (!glob_class_byte(&at, end, &low))
            break;
        high = low;
        if (at + 1 < end && *at == '-' && at[1] != ']') {
            at++;
            if (!glob_class_byte(&at, end, &high))
                break;
        }
        if (high < low) {
            *problem = "has a range that ends before it begins";
            return NULL;
        }
        found |= low <= byte && byte <= high;
    }
    if (at >= end) {
        *problem = glob_unclosed;
        return NULL;
    }
    *holds = found != negated;
    return at + 1;
}

/* Matches one byte against the element at `at` (which is no star). Returns what follows the
 * element, NULL on a mismatch. */
static const char *glob_element(const char *at, const char *end, unsigned char byte)
{
    const char *problem;
    bool holds = false;

    switch (*at) {
    case '?':
        return at + 1;
    case '[':
        at = glob_class(at + 1, end, byte, &holds, &problem);
        return holds ? at : NULL;
    case '\\':
        if (++at == end)
            return NULL;
        break;
    default:
        break;
    }
    return (unsigned char)*at == byte ? at + 1 : NULL;
}

bool glob_match_name(const char *pattern, size_t pattern_len, const char *name, size_t name_len)
{
    const char *end = pattern + pattern_len, *name_end = name + name_len;
    const char *behind_star = NULL, *star_name = NULL;

    while (name < name_end) {
        const char *next = NULL;

        if (pattern < end && *pattern == '*') {
            behind_star = ++pattern;
            star_name = name;
            continue;
        }
        if (pattern < end)
            next = glob_element(pattern, end, (unsigned char)*name);
        if (next) {
            pattern = next;
            name++;
        } else if (behind_star && behind_star < end) {
            pattern = behind_star;
            name = ++star_name;
        } else {
            /* A star that ends the pattern takes all; without a star there is no second try. */
            return behind_star != NULL;
        }
    }
    while (pattern < end && *pattern == '*')
        pattern++;
    return pattern == end;
}

static GlobPart glob_part(const char *at)
{
    return (GlobPart){at, strcspn(at, "/")};
}

static const char *glob_part_next(GlobPart part)
{
    return part.at + part.len + (part.at[part.len] == '/');
}

static bool glob_part_is_deep(GlobPart part)
{
    return part.len == 2 && part.at[0] == '*' && part.at[1] == '*';
}

bool glob_match_path(const char *pattern, const char *path)
{
    const char *behind_deep = NULL, *deep_path = NULL;

    while (*path) {
        GlobPart want = glob_part(pattern), have = glob_part(path);

        if (glob_part_is_deep(want)) {
            pattern = behind_deep = glob_part_next(want);
            deep_path = path;
            if (!*pattern)
                return true;
        } else if (*pattern && glob_match_name(want.at, want.len, have.at, have.len)) {
            pattern = glob_part_next(want);
            path = glob_part_next(have);
        } else if (behind_deep) {
            pattern = behind_deep;
            path = deep_path = glob_part_next(glob_part(deep_path));
        } else {
            return false;
        }
    }
    return !*pattern;
}

bool glob_literal(const char *pattern, size_t len, char *out)
{
    const char *end = pattern + len;

    for (; pattern < end; pattern++) {
        if (*pattern == '*' || *pattern == '?' || *pattern == '[')
            return false;
        if (*pattern == '\\' && ++pattern == end)
            return false;
        *out++ = *pattern;
    }
    *out = '\0';
    return true;
}

static const char *glob_check_part(GlobPart part)
{
    const char *end = part.at + part.len, *problem = NULL;
    bool holds;

    if (!part.len)
        return "has an empty component ('//')";
    if ((part.len == 1 && *part.at == '.') || (part.len == 2 && !memcmp(part.at, "..", 2)))
        return "has a component '.' or '..', which no path has";
    for (const char *at = part.at; at < end;) {
        if (*at == '[') {
            at = glob_class(at + 1, end, 0, &holds, &problem);
            if (!at)
                return problem;
        } else if (*at == '\\') {
            if (++at == end)
                return *end ? "has a backslash before a '/'" : "ends with a backslash";
            at++;
        } else if (*at == '*' && at + 1 < end && at[1] == '*' && !glob_part_is_deep(part)) {
            return "has '**' beside other characters; it must be a whole component";
        } else {
            at++;
        }
    }
    return NULL;
}

const char *glob_check(const char *pattern)
{
    if (strlen(pattern) > GLOB_MAX)
        return "is longer than 4095 bytes";
    if (!*pattern || !strcmp(pattern, "/"))
        return "is empty";
    pattern += *pattern == '/';
    while (*pattern) {
        GlobPart part = glob_part(pattern);
        const char *problem = glob_check_part(part);

        if (problem)
            return problem;
        pattern = glob_part_next(part);
    }
    return NULL;
}
