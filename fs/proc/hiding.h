/* What /proc hides of other users' processes (its mount option hidepid), so that nobody is told
 * here what is kept from them there. */
#ifndef LOCKFS_PROC_HIDING_H
#define LOCKFS_PROC_HIDING_H

#include "proc/proc.h"

typedef enum {
    HIDING_NOTHING,
    HIDING_DETAILS, /* hidepid=1: that they are there is known, and whose they are */
    HIDING_NUMBERS, /* hidepid=2 and 4: nothing */
} Hiding;

/* From a thread of this user, by the /proc of the daemon as it is mounted now. Cannot tell is
 * HIDING_NUMBERS. */
Hiding hiding_from(const Proc *proc, pid_t tid, uid_t uid, gid_t gid);

#endif
