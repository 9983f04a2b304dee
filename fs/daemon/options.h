/* The command line: what it says, checked, and nothing done yet.
 *
 *     lockfs [options] DIR | SOURCE MOUNTPOINT | none MOUNTPOINT
 *
 * Options may come from the command line, from `config=FILE`, or from /etc/lockfs/lockfs.conf when
 * it is there and no other file is named. Rules are ordered: built-in, then the file's, then the
 * command line's in the order they were given.
 */
#ifndef LOCKFS_DAEMON_OPTIONS_H
#define LOCKFS_DAEMON_OPTIONS_H

#include "engine/engine.h"

typedef enum {
    OPTIONS_RUN,
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_REFUSED, /* a message was printed */
} OptionsResult;

typedef struct {
    char *source;     /* NULL: memory */
    char *mountpoint; /* absolute */
    bool in_place;
    bool foreground;
    bool debug;
    bool allow_other;
    EngineOptions engine;
    GString *mount; /* options for the kernel and fusermount3, comma-separated */
    char *fsname;   /* NULL: the source */
    RuleSet *rules;
} Options;

OptionsResult options_parse(int argc, char **argv, Options *options);

/* The same for a mount that is there and must not be touched: the places are known. */
typedef struct {
    const char *source; /* NULL: memory */
    const char *mountpoint;
    bool in_place;
} OptionsPlaces;

OptionsResult options_parse_at(int argc, char **argv, const OptionsPlaces *places,
                               Options *options);
void options_clear(Options *options);

void options_print_help(void);
void options_print_version(void);

/* preset_dirs() of this installation. */
char **options_preset_dirs(void);

#endif
