/* What is counted. All counters only grow, over a takeover too; the engine's lock guards
 * EngineStats, and the requests are the serving thread's. */
#ifndef LOCKFS_ENGINE_STATS_H
#define LOCKFS_ENGINE_STATS_H

#include "base/slots.h"

/* Why a claim ended without its owner's doing. */
typedef enum {
    HEAL_EXITED,
    HEAL_SIGNALLED,
    HEAL_DIED, /* how is not known */
    HEAL_BROKEN,
    HEAL_INFERRED, /* left there before lockfs came: nobody has the pid that it names */
    HEAL_RECYCLED, /* the pid is another process's now */
    HEAL_REBOOT,   /* older than this boot */
    HEAL_CAUSES,
} HealCause;

/* Why another worker took a mount over. */
typedef enum {
    TAKEOVER_SIGNALLED, /* the one before was killed, or crashed */
    TAKEOVER_HUNG,
    TAKEOVER_REPLACED, /* another program took the keeper's place */
    TAKEOVER_CAUSES,
} TakeoverCause;

#define STATS_KINDS 5 /* of ClaimKind */
#define STATS_SIGNALS 32

/* Buckets end at 2^10 ns, 2^11 ns ... 2^29 ns (half a second); the last takes the rest. */
#define STATS_FIRST_BUCKET 10
#define STATS_BUCKETS 21
#define STATS_OPCODES 64

/* Each field is changed by a store of its own, in a place that the next worker finds. */
typedef struct {
    uint64_t count[STATS_OPCODES];
    uint64_t latency[STATS_OPCODES][STATS_BUCKETS];
    uint64_t latency_ns[STATS_OPCODES];
} RequestStats;

typedef struct {
    uint64_t acquired[STATS_KINDS];
    uint64_t released, published, unpacked, refused, contended, transferred, restored;
    uint64_t healed[HEAL_CAUSES];
    uint64_t takeovers[TAKEOVER_CAUSES];
    uint64_t resent;                          /* requests that the kernel gave to another worker */
    uint64_t healed_by_signal[STATS_SIGNALS]; /* 0: by one that has no name */
} EngineStats;

/* With room for more of them: those that another version did not have are 0. */
typedef struct {
    SlotHead head;
    union {
        EngineStats stats;
        uint64_t room[62];
    };
} TotalsRecord;

/* One request of this kind was served in that time. */
static inline void stats_request(RequestStats *stats, uint32_t opcode, int64_t ns)
{
    uint32_t op = opcode < STATS_OPCODES ? opcode : 0;
    int bits = ns > 0 ? 64 - __builtin_clzll((uint64_t)ns) : 0;
    int bucket = bits > STATS_FIRST_BUCKET ? bits - STATS_FIRST_BUCKET : 0;
    stats->count[op]++;
    stats->latency_ns[op] += (uint64_t)ns;
    stats->latency[op][bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1]++;
}

#endif
