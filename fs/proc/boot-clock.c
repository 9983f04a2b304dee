#include "proc/boot-clock.h"

#include "base/clock.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Stamped later than this, it is not of the boot (a container mounts a /proc of its own), or the
 * clock was set back. */
#define WITNESS_NS (60 * CLOCK_NS_PER_S)

static int64_t stamp_of(int dir, const char *path, unsigned mask)
{
    struct statx stx;
    if (statx(dir, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, mask, &stx) !=
            0 ||
        (stx.stx_mask & mask) != mask)
        return INT64_MAX;
    struct statx_timestamp at = mask == STATX_BTIME ? stx.stx_btime : stx.stx_ctime;
    return at.tv_sec * CLOCK_NS_PER_S + at.tv_nsec;
}

static int64_t min_ns(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

BootClock boot_clock_read(const Proc *proc)
{
    int64_t boot = clock_real_ns() - clock_boot_ns();
    int64_t stamp = stamp_of(proc_dirfd(proc), "", STATX_CTIME);
    stamp = min_ns(stamp, stamp_of(AT_FDCWD, "/sys", STATX_CTIME));
    stamp = min_ns(stamp, stamp_of(AT_FDCWD, "/dev/console", STATX_BTIME));
    return (BootClock){
        .known = stamp <= boot + WITNESS_NS,
        .low_ns = min_ns(stamp, boot),
        .high_ns = boot,
    };
}
