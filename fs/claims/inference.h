/* What to make of a lock entry that nobody is known to own: one decision, from what the entry says,
 * what processes there are, and what the clock can be trusted with. Pure.
 *
 * Times are those of files (nanoseconds since the epoch). The clock of the machine may have been
 * set since the boot, so a process is given as started between two times: `first_ns` by the lowest
 * the clock can have shown, `last_ns` by what it shows now.
 *
 * STALE and OWNED are proven; everything else is KEEP.
 */
#ifndef LOCKFS_CLAIMS_INFERENCE_H
#define LOCKFS_CLAIMS_INFERENCE_H

#include "claims/lock-record.h"

typedef enum {
    INFERENCE_KEEP,
    INFERENCE_STALE,
    INFERENCE_OWNED,
} InferenceVerdict;

typedef enum {
    /* keep */
    INFERENCE_IN_USE,       /* some process has it open or locked */
    INFERENCE_FRESH,        /* changed a moment ago: it may not be finished */
    INFERENCE_LATER,        /* changed since lockfs serves the directory */
    INFERENCE_NO_RECORD,    /* it names no process in a way that is understood */
    INFERENCE_FOREIGN_HOST, /* the record names another machine */
    INFERENCE_SHARED,       /* a network filesystem, and the record names no machine */
    INFERENCE_UNSEEN,       /* not all processes can be seen from here */
    INFERENCE_INIT,         /* only process 1 of the machine bears the number */
    INFERENCE_SEVERAL,      /* several processes may be the owner */
    INFERENCE_UNPROVEN,     /* one may be, and it cannot be shown */
    INFERENCE_OTHER_USER,   /* one may be, but the entry is another user's */
    INFERENCE_OTHER_HOST,   /* one may be, but not on the host that the record names */
    /* stale */
    INFERENCE_BEFORE_BOOT,
    INFERENCE_NOBODY,   /* no process has the number */
    INFERENCE_RECYCLED, /* each that has it is another than the one that was recorded */
    /* owned */
    INFERENCE_OWNER_FOUND,
} InferenceReason;

typedef enum {
    INFERENCE_HOST_NONE,  /* the record names none */
    INFERENCE_HOST_KNOWN, /* this machine or one of its containers */
    INFERENCE_HOST_OTHER,
} InferenceHost;

typedef struct {
    int64_t made_ns;    /* it was not there earlier */
    int64_t changed_ns; /* nothing of it was written later */
    uint32_t uid;
    bool bare;    /* an empty directory: all it says is that it is there */
    bool in_use;  /* open, or locked with flock or fcntl */
    bool settled; /* what was read of it is whole: nobody is at writing it */
} InferenceEntry;

/* A process that has the recorded number in some pid namespace. */
typedef struct {
    int64_t first_ns, last_ns; /* its start. INT64_MIN and INT64_MAX: cannot tell */
    int64_t shown_ns;     /* the same, if the clock was not set since; INT64_MAX: cannot tell */
    uint64_t start_ticks; /* since boot */
    bool own_clock;       /* it counts those from another moment than we, or may */
    uint64_t pid_ns;      /* where it has the number; 0: cannot tell */
    uint32_t uid;
    const char *host; /* its host name; NULL: cannot tell */
    bool init;        /* process 1 of the machine: no evidence either way */
} InferenceBearer;

typedef struct {
    int64_t boot_ns; /* nothing of this boot bears an earlier time; INT64_MIN: cannot tell */
    int64_t
        seen_ns; /* from then on lockfs knew what was done; the processes were looked at later */
    int64_t now_ns;
    bool complete; /* and all there are were seen */
    bool shared;   /* other machines may have made it */
    InferenceHost host;
} InferenceWorld;

/* Was it changed so shortly ago that it may not be finished? Then `settled` is to be found out. */
bool inference_is_fresh(const InferenceEntry *entry, int64_t now_ns);

/* record NULL: there is none. *owner is the index of the bearer that owns it, for OWNED. */
InferenceVerdict inference_decide(const InferenceEntry *entry, const LockRecord *record,
                                  const InferenceWorld *world, const InferenceBearer *bearers,
                                  unsigned n, unsigned *owner, InferenceReason *reason);

/* For people. */
const char *inference_text(InferenceReason reason);

#endif
