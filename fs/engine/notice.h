/* What happens to claims, told to whoever listens.
 *
 * A listener is called with the engine's lock held and must not call the engine. While nobody
 * listens, telling costs one comparison.
 */
#ifndef LOCKFS_ENGINE_NOTICE_H
#define LOCKFS_ENGINE_NOTICE_H

#include "engine/engine.h"
#include "engine/heals.h"
#include "engine/waiters.h"

typedef enum {
    NOTICE_ACQUIRED,
    NOTICE_CONTENDED, /* waiter is set */
    NOTICE_REFUSED,   /* by_tid, by_uid are set */
    NOTICE_RELEASED,
    NOTICE_PUBLISHED,
    NOTICE_MOVED,       /* under the new name */
    NOTICE_INHERITED,   /* the owner died; the process that made it for it goes on */
    NOTICE_TRANSFERRED, /* by_*; the token is the new one, old_token the one before */
    NOTICE_BROKEN,      /* by_* */
    NOTICE_HEALED,      /* heal is set */
    NOTICE_UNPACKED,    /* the owner ended and left it as data */
    NOTICE_WOULD_HEAL,  /* with `observe` */
    NOTICE_TAKEN_OVER,  /* by another worker; takeover is set, and claim is not */
} NoticeKind;

/* Another worker serves the mount now. */
typedef struct {
    TakeoverCause cause;
    int signal; /* for TAKEOVER_SIGNALLED */
    int64_t duration_ns;
    uint32_t claims; /* carried over */
} Takeover;

struct Notice {
    NoticeKind kind;
    const Claim *claim;
    const HealRecord *heal;
    const Waiter *waiter;
    const Takeover *takeover;
    pid_t by_tid;
    uid_t by_uid;
    uint64_t old_token;
    int64_t at_ns; /* since the epoch; filled in by notice_send() */
};

/* --- with the engine's lock held --- */

void notice_send(Engine *engine, const Notice *notice);

static inline void notice_claim(Engine *engine, NoticeKind kind, const Claim *claim)
{
    if (engine->notice)
        notice_send(engine, &(Notice){.kind = kind, .claim = claim});
}

/* Somebody who is not of the owner's family tried to remove or alter it. */
void notice_refused(Engine *engine, const Claim *claim, const Caller *caller);

/* --- taking the lock --- */

/* NULL ends it. Takes no lock: for the thread that serves requests, and before there are others. */
void notice_listen(Engine *engine, NoticeFunc func, void *ctx);

#endif
