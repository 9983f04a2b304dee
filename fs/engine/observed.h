/* With `observe`: what programs do with the names that they create exclusively, locks or not.
 *
 * Entries are put together by directory and name, a name with a number or the like in it as a glob
 * (wire/name-glob.h). Each entry is followed until it is removed or renamed. When its maker ends it
 * is counted by how that ended, and followed on: who takes it away then tells something, too.
 *
 * Bounded: what is followed (its oldest are given up), and the patterns (those go that look like
 * data). In the memory of this process: another one that takes the mount over begins anew.
 *
 * Without `observe` all of this costs one comparison. Called with the engine's lock held, except
 * observed_list().
 */
#ifndef LOCKFS_ENGINE_OBSERVED_H
#define LOCKFS_ENGINE_OBSERVED_H

#include "engine/engine.h"

#define OBSERVED_SOME 8 /* names and makers are told apart up to this many */
#define OBSERVED_PROGRAMS 3

typedef struct {
    uint64_t seen[OBSERVED_SOME];
    uint32_t count;
    uint64_t again; /* met one of those once more */
} ObservedSet;

typedef struct {
    char *directory;  /* from the root */
    char *name;       /* glob */
    char *example;    /* a name */
    const Rule *rule; /* what the rules say now; NULL: none does */
    uint8_t kind;     /* ClaimKind */
    ObservedSet names, makers;
    char programs[OBSERVED_PROGRAMS][CLAIM_COMM_SIZE];
    int64_t first_ns, last_ns, held_ns_max;
    uint64_t made;
    /* How it ended: */
    uint64_t released;                                        /* removed by its maker's family */
    uint64_t removed_by_others;                               /* while the maker lived */
    uint64_t renamed;                                         /* to another name */
    uint64_t left_by_exited, left_by_killed, left_by_unknown; /* there when the maker had ended */
    uint64_t removed_later; /* of those: by somebody, afterwards */
    uint64_t standing;      /* there, and the maker lives */
    uint64_t read_by_others;
} ObservedPattern;

typedef struct {
    RuleSet *rules;           /* those of the patterns */
    GPtrArray *patterns;      /* of ObservedPattern; directories from the one asked about */
    int64_t since_ns;         /* 0: nothing is observed here */
    uint64_t made, forgotten; /* in the whole mount; how many of them no pattern tells of */
} ObservedList;

void observed_begin(Engine *engine);
void observed_done(Engine *engine);

/* An exclusive create has succeeded. */
void observed_made(Engine *engine, const Caller *caller, Node *dir, const char *name,
                   ClaimKind kind);
void observed_removed(Engine *engine, const Caller *caller, Node *dir, const char *name);

/* Whatever stood at the new name is gone, and what lies below the old one is not followed on. */
void observed_renamed(Engine *engine, Node *dir, const char *name, Node *new_dir,
                      const char *new_name);
void observed_opened(Engine *engine, const Caller *caller, const Node *node);

/* The owner is dead: the reaper, before it lets go of it. */
void observed_owner_ended(Engine *engine, const Owner *owner);

/* Takes the lock. -ESTALE: there is no such directory. */
int observed_list(Engine *engine, uint64_t dir, ObservedList *out);
void observed_list_done(ObservedList *list);

#endif
