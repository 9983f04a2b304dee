/* The numbers of virtual files: which file, of which directory.
 *
 * The number of a node of the store is (generation << 32 | slot), with slots below 2^26 and a
 * generation below 2^31. A virtual file's number is that of its directory with bit 63 set, and its
 * kind in bits 26 to 31; so it is stable, and there is no table. It is good for as long as the
 * directory's own number is.
 */
#ifndef LOCKFS_CONTROL_VIRTUAL_NODE_H
#define LOCKFS_CONTROL_VIRTUAL_NODE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    VIRTUAL_NODE_DIR = 1,
    VIRTUAL_NODE_LOCKS,
    VIRTUAL_NODE_EVENTS,
    VIRTUAL_NODE_HEALED,
    VIRTUAL_NODE_STATS,
    VIRTUAL_NODE_METRICS,
    VIRTUAL_NODE_OBSERVED,
    VIRTUAL_NODE_CONTROL,
    VIRTUAL_NODE_END,
} VirtualNodeKind;

#define VIRTUAL_NODE_BIT (1ULL << 63)
#define VIRTUAL_NODE_SHIFT 26
#define VIRTUAL_NODE_MASK (63ULL << VIRTUAL_NODE_SHIFT)

static inline bool virtual_node_is(uint64_t id)
{
    return id & VIRTUAL_NODE_BIT;
}

static inline uint64_t virtual_node_id(VirtualNodeKind kind, uint64_t dir)
{
    return VIRTUAL_NODE_BIT | dir | (uint64_t)kind << VIRTUAL_NODE_SHIFT;
}

static inline VirtualNodeKind virtual_node_kind(uint64_t id)
{
    return (VirtualNodeKind)((id & VIRTUAL_NODE_MASK) >> VIRTUAL_NODE_SHIFT);
}

static inline uint64_t virtual_node_dir(uint64_t id)
{
    return id & ~(VIRTUAL_NODE_BIT | VIRTUAL_NODE_MASK);
}

#endif
