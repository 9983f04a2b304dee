/* The clocks. Layers that decide take the time as an argument; only the outermost callers read it.
 */
#ifndef LOCKFS_BASE_CLOCK_H
#define LOCKFS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_S 1000000000LL
#define CLOCK_NS_PER_MS 1000000LL

/* Nanoseconds since boot, suspend included: for ages and intervals. */
int64_t clock_boot_ns(void);

/* Nanoseconds since the epoch: for what a person reads. */
int64_t clock_real_ns(void);

static inline int64_t clock_ns(struct timespec at)
{
    return at.tv_sec * CLOCK_NS_PER_S + at.tv_nsec;
}

/* The time a file changed now would get: coarse, as the kernel stamps inodes. */
struct timespec clock_file_now(void);

#endif
