/* The programs that take a lock for somebody else, and those that put files in place and take none:
 * data, not code.
 *
 * The list is a text file, one name a line, '#' starts a comment; the shipped one is compiled in
 * from fs/proc/helpers.txt and installed as share/lockfs/helpers. A section line ("[helpers]",
 * "[copiers]", "[unpackers]", "[tidy]", "[shells]", "[multicall]") says what the names below it
 * are. A name is the base name of the real executable; for a multi-call binary (busybox, toybox,
 * coreutils) it is the applet.
 */
#ifndef LOCKFS_PROC_HELPER_LIST_H
#define LOCKFS_PROC_HELPER_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct HelperList HelperList;

typedef enum {
    HELPER_NONE,
    HELPER_PROGRAM,   /* hands over to its parent */
    HELPER_COPIER,    /* the same, and what it makes is data: it copies, and takes no locks */
    HELPER_UNPACKER,  /* keeps what it makes, and that is data: it takes no locks */
    HELPER_TIDY,      /* keeps what it makes, and leaves no locks when it ends by itself */
    HELPER_SHELL,     /* does when it is a forked subshell of the same shell */
    HELPER_MULTICALL, /* look at the applet */
} HelperKind;

HelperList *helper_list_new_shipped(void);

/* Adds the text's names (a later kind replaces an earlier one; before any section line they are
 * helpers). On a bad line returns false, sets *line to its number and adds nothing. */
bool helper_list_add_text(HelperList *list, const char *text, size_t len, int *line);
void helper_list_free(HelperList *list);

HelperKind helper_list_kind(const HelperList *list, const char *name);

#endif
