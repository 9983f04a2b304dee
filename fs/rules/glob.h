/* Globs over file names and paths. Bytes, no locale, no allocation, no recursion.
 *
 *     ?        one byte            *       any run of bytes, none too
 *     [a-z]    one of these        [!a-z]  or [^a-z]: one byte that is none of these
 *     \x       the byte x itself   **      as a whole component: any run of components
 *
 * '?', '*' and classes never match a '/'. A `**` in front or between stands for none or more
 * components, at the end for one or more: with one between a and b the pattern matches a/b and
 * a/x/y/b, with one behind a it matches all that is below a. A leading dot is nothing special. In a
 * class a ']' is itself when it comes first, a backslash takes away the meaning of what follows.
 *
 * Cost: a mismatch goes back to the last star (of names) or the last `**` (of components) only,
 * which is enough, so a match takes at most length of pattern times length of text steps.
 */
#ifndef LOCKFS_RULES_GLOB_H
#define LOCKFS_RULES_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#define GLOB_MAX 4095 /* bytes: what a path can be */

/* NULL when the pattern is well formed, otherwise what is wrong with it ("is empty"). One leading
 * '/' (the root) and one trailing '/' (directories only) are well formed. */
const char *glob_check(const char *pattern);

/* Matches one component, that is a name, against a pattern without '/'. A malformed pattern matches
 * nothing. */
bool glob_match_name(const char *pattern, size_t pattern_len, const char *name, size_t name_len);

/* Matches a whole path from its first component on. Neither begins or ends with a '/'. */
bool glob_match_path(const char *pattern, const char *path);

/* When the pattern can match one text only, writes that to out (room for len + 1 bytes) and returns
 * true. */
bool glob_literal(const char *pattern, size_t len, char *out);

#endif
