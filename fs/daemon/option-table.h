/* Every -o option in one table, which parses, checks and documents it. */
#ifndef LOCKFS_DAEMON_OPTION_TABLE_H
#define LOCKFS_DAEMON_OPTION_TABLE_H

#include "daemon/options.h"

#define OPTION_ERROR option_error_quark()
GQuark option_error_quark(void);

typedef struct {
    Options *options;
    RuleBuilder *rules;
    const char *const *preset_dirs;
} OptionBuild;

/* "NAME" or "NAME=VALUE", as on the command line. */
bool option_apply(OptionBuild *build, const char *text, GError **error);

/* A key of [lockfs] in a key file. *problem: what was expected, to complete "FILE: [lockfs] KEY: ".
 */
bool option_apply_key(OptionBuild *build, const char *key, const char *value, const char **problem);

/* The lines of --help. */
void option_print_help(void);

#endif
