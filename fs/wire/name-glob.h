/* Globs for names that were seen. Pure.
 *
 * Both can stand in lockfs.conf as they are: what a glob or a key file would take as something else
 * is written as a class, and where that is not enough (blanks, ';', '\', bytes that are not UTF-8)
 * as '?'. So a glob always matches the name it was made from, and at times a little more. Free with
 * g_free().
 */
#ifndef LOCKFS_WIRE_NAME_GLOB_H
#define LOCKFS_WIRE_NAME_GLOB_H

#include <glib.h>

/* For this name, or the path with these names. */
char *name_glob_exact(const char *name);

/* For names like it: numbers, hashes, UUIDs and what looks like chance become '*'. */
char *name_glob_alike(const char *name);

#endif
