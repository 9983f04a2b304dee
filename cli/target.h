/* What a path on the command line stands for: a directory of a lockfs mount and a name in it. The
 * name itself is never looked up: that would be an attempt on the lock. */
#ifndef LOCKFS_CLI_TARGET_H
#define LOCKFS_CLI_TARGET_H

#include "status.h"

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

typedef struct {
    int fd;     /* the `.lockfs` directory */
    char *path; /* as given */
    char *name; /* last component; NULL for a directory */
} Target;

#define TARGET_NONE ((Target){.fd = -1})

/* Each says what is wrong, if anything. */
Status target_open_dir(const char *dir, Target *out);
Status target_open(const char *path, Target *out);
void target_done(Target *target);

#define AUTO_TARGET __attribute__((cleanup(target_done)))

/* The whole of one of the files. Free with g_free(). */
Status target_read(const Target *target, const char *file, char **text);

/* The objects of a file with one on each line. */
Status target_records(const Target *target, const char *file, JsonArray **records);

/* Runs a command of `control` with its words (NULL-terminated). 0, with the answer as an object if
 * there is one (out may be NULL), or negative errno. */
int target_command(const Target *target, const char *const *words, JsonObject **out);

/* What this errno of a command means for the path, in words with a way out. */
Status target_explain_error(const Target *target, int error);

/* The claim of the name; STATUS_NO_CLAIM without a word when `quiet`. */
Status target_claim(const Target *target, bool quiet, JsonObject **claim);

#endif
