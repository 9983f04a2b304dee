/* What is counted. All counters only grow; the engine's lock guards EngineStats, and the requests
 * are the serving thread's. */
#ifndef LOCKFS_ENGINE_STATS_H
#define LOCKFS_ENGINE_STATS_H

#include <stdint.h>

/* Why a claim ended without its owner's doing. */
typedef enum {
    HEAL_EXITED,
    HEAL_INFERRED, /* left there before lockfs came: nobody has the pid that it names */
    HEAL_SIGNALLED,
    HEAL_RECYCLED, /* the pid is another process's now */
    HEAL_DIED,     /* how is not known */
    HEAL_REBOOT,   /* older than this boot */
    HEAL_BROKEN,
    HEAL_CAUSES,
} HealCause;

#define STATS_KINDS 5 /* of ClaimKind */

/* Buckets end at 2^10 ns, 2^11 ns ... 2^29 ns (half a second); the last takes the rest. */
#define STATS_FIRST_BUCKET 10
#define STATS_BUCKETS 21
#define STATS_OPCODES 64

typedef struct {
    const char *names[STATS_OPCODES]; /* given by who serves; those without are not shown */
    uint64_t count[STATS_OPCODES];
    uint64_t latency[STATS_OPCODES][STATS_BUCKETS];
    uint64_t latency_ns[STATS_OPCODES];
} RequestStats;

typedef struct {
    uint64_t acquired[STATS_KINDS];
    uint64_t released, published, refused, contended, transferred, restored;
    uint32_t healed[HEAL_CAUSES];
} EngineStats;

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
