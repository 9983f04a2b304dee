/* From what was observed of names to the rules that it speaks for.
 *
 * A lock is made, held, and removed by its maker, or left by a maker that was killed; its name
 * comes again. Data is there when its maker has ended in good order, or goes to another name. A
 * name with chance in it that never comes again is a temporary file: it needs no rule.
 */
#ifndef LOCKFS_CLI_SUGGESTION_H
#define LOCKFS_CLI_SUGGESTION_H

#include <json-glib/json-glib.h>

typedef enum {
    SUGGESTION_LOCK,      /* a rule lock= is due */
    SUGGESTION_DATA,      /* a rule data= is due: it would be a lock without */
    SUGGESTION_UNSURE,    /* could be a lock */
    SUGGESTION_KNOWN,     /* a lock for the rules there are, and rightly so */
    SUGGESTION_PLAIN,     /* data for the rules there are, and rightly so */
    SUGGESTION_TEMPORARY, /* neither */
    SUGGESTION_KINDS,
} SuggestionKind;

typedef struct {
    SuggestionKind kind;
    char *pattern;   /* for a rule, from the mount's root */
    char *because;   /* what was seen, in words */
    JsonArray *seen; /* the records of `observed`: more than one where directories are alike */
} Suggestion;

const char *suggestion_name(SuggestionKind kind);

/* Of records as in `observed`; `top` is the directory that theirs are counted from, from the
 * mount's root ("" for that). In the order in which they were first seen. */
GPtrArray *suggestion_list(JsonArray *records, const char *top);

#endif
