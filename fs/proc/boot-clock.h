/* What the clock of files can have shown since the boot.
 *
 * Processes are known by when they started after the boot, files by the clock of the day; the two
 * can be compared only as far as that clock was not set in between (by hand, by NTP on a machine
 * without a clock of its own, after a virtual machine was asleep). What the kernel stamped in the
 * first moments of this boot shows from where the clock began: it was somewhere between that and
 * what it says now.
 */
#ifndef LOCKFS_PROC_BOOT_CLOCK_H
#define LOCKFS_PROC_BOOT_CLOCK_H

#include "proc/proc.h"

typedef struct {
    bool known;      /* false: nothing can be told from times */
    int64_t low_ns;  /* the moment of the boot by the lowest the clock has shown since */
    int64_t high_ns; /* and by what it shows now */
} BootClock;

BootClock boot_clock_read(const Proc *proc);

#endif
