/* Decisions, as lines for the log, all with the same fields:
 *
 *     EVENT path="…" token=N pid=N comm="…" uid=N by=N by_uid=N reason=…
 *
 * pid, comm and uid are the owner's; by and by_uid who asked for it, 0 where nobody did. Claims are
 * told with -d only. What callers can provoke at will is limited: a burst, then one a second.
 *
 * Called with the engine's lock held.
 */
#ifndef LOCKFS_ENGINE_DECISION_H
#define LOCKFS_ENGINE_DECISION_H

#include "engine/engine.h"

/* caller NULL: nobody asked. limit NULL: always. */
void decision_log(Engine *engine, LogLimit *limit, const char *event, const Claim *claim,
                  const Caller *caller, const char *reason);

/* An entry without an owner was judged and stays. */
void decision_unowned(Engine *engine, const char *path, pid_t pid, uid_t uid, const char *reason);

/* Only with -d. */
void decision_debug(Engine *engine, const char *event, const Claim *claim);

#endif
