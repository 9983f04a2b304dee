/* The processes that may have written a number down as their own pid, before lockfs looked.
 *
 * They are found once, in a census; whoever is asked about later is among those, or is not. What
 * they are now is asked of /proc each time.
 */
#ifndef LOCKFS_ENGINE_BEARERS_H
#define LOCKFS_ENGINE_BEARERS_H

#include "claims/inference.h"
#include "proc/proc.h"

typedef struct Bearers Bearers;

typedef struct {
    pid_t pid; /* in our namespace */
    InferenceBearer seen;
} Bearer;

/* NULL: /proc could not be read. */
Bearers *bearers_new(const Proc *proc);
void bearers_free(Bearers *bearers);

/* false: the clock has been set since; they are to be looked for anew. */
bool bearers_are_current(const Bearers *bearers);

/* All that live now with this number in some namespace: *n of them, to be freed with g_free(). */
Bearer *bearers_find(const Bearers *bearers, pid_t number, unsigned *n);

bool bearers_know_host(const Bearers *bearers, const char *host);

/* boot_ns and complete are filled in. */
InferenceWorld bearers_world(const Bearers *bearers);

#endif
