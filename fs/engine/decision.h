/* Decisions, as lines for the log, all with the same fields:
 *
 *     EVENT path="…" token=N pid=N comm="…" uid=N by=N by_uid=N reason=…
 *
 * pid, comm and uid are the owner's; by and by_uid who asked for it, 0 where nobody did. In the
 * journal they are LOCKFS_EVENT, LOCKFS_PATH, LOCKFS_TOKEN, OWNER_PID, OWNER_COMM, OWNER_UID,
 * BY_PID, BY_UID and LOCKFS_REASON. Claims are told with -d only. What callers can provoke at will
 * is limited: a burst, then one a second.
 *
 * Called with the engine's lock held.
 */
#ifndef LOCKFS_ENGINE_DECISION_H
#define LOCKFS_ENGINE_DECISION_H

#include "engine/engine.h"

typedef struct {
    const char *event, *reason;
    const char *path; /* from the root */
    uint64_t token;
    pid_t pid;
    const char *comm;
    uid_t uid;
    const Caller *by; /* NULL: nobody asked */
} Decision;

void decision_tell(LogLevel level, const Decision *decision);

/* About a claim. caller NULL: nobody asked. limit NULL: always. */
void decision_log(Engine *engine, LogLimit *limit, const char *event, const Claim *claim,
                  const Caller *caller, const char *reason);

/* An entry without an owner was judged and stays. */
void decision_unowned(Engine *engine, const char *path, pid_t pid, uid_t uid, const char *reason);

/* Only with -d. */
void decision_debug(Engine *engine, const char *event, const Claim *claim);

/* When there will be something to tell of lines that were left out (boot clock; INT64_MAX: never),
 * and telling it if it is time. */
int64_t decision_tell_at(const Engine *engine);
void decision_tell_suppressed(Engine *engine);

#endif
