/* Commands: what changes a claim from outside. Each takes the lock.
 *
 * Who may: root, the owner of the mount, and the uid of the claim's owner; anybody else gets
 * -EPERM.
 */
#ifndef LOCKFS_ENGINE_STEER_H
#define LOCKFS_ENGINE_STEER_H

#include "engine/engine.h"

/* Ends a living claim and takes its entry away, content kept as with a healed one. token 0:
 * whichever is there. -ENOENT: no claim; -ESTALE: another one than that of the token; -EBUSY:
 * living claims lie inside; -EROFS. Of an unowned entry (token 0) the same: its uid may. */
int steer_break(Engine *engine, const Caller *caller, uint64_t dir, const char *name,
                uint64_t token);

/* Makes the process `pid` (as the caller's pid namespace numbers it) the owner; the claim gets a
 * new token. -ESRCH: no such living process; others who are not root may choose among their own
 * processes only. */
int steer_transfer(Engine *engine, const Caller *caller, uint64_t dir, const char *name, pid_t pid);

/* Gives back the content of a healed entry, as data. -ENOENT: not kept (any more); -EEXIST: the
 * name is taken. */
int steer_restore(Engine *engine, const Caller *caller, uint64_t dir, const char *name,
                  uint64_t token);

/* --- what would happen --- */

typedef struct {
    bool exists; /* something stands there */
    bool held;
    const char *unowned; /* it was there before lockfs, and why nobody owns it; NULL: no such */
    const Rule *rule;    /* that decides; NULL: none matches */
    GPtrArray *rules;    /* of const Rule, all that match, in order */
} Explanation;

/* Strings live as long as the rule set. rules is to be freed. */
int steer_explain(Engine *engine, const Caller *caller, uint64_t dir, const char *name, bool is_dir,
                  Explanation *out);

#endif
