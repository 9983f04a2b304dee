/* Who is there: every process that can be seen, by each of its numbers in each pid namespace.
 *
 * A census proves who is *not* there: a process that lives from before it was begun until after it
 * was taken is in it. So whoever made something before the census, and lives, is among those found
 * here; that they still are who they were is to be asked of /proc at the time.
 *
 * Taking one reads /proc once over: some 15 µs for each process.
 */
#ifndef LOCKFS_PROC_CENSUS_H
#define LOCKFS_PROC_CENSUS_H

#include "proc/proc.h"

typedef struct Census Census;

typedef struct {
    pid_t number; /* in some pid namespace */
    pid_t pid;    /* in ours */
    uint32_t host;
} CensusEntry;

/* 0 or negative errno. */
int census_take(const Proc *proc, Census **out);
void census_free(Census *census);

/* When it was begun: by the clock of files, and since boot. */
int64_t census_real_ns(const Census *census);
int64_t census_boot_ns(const Census *census);

/* Did it see all processes of the machine? Not in a pid namespace of our own, and not where /proc
 * hides those of others. */
bool census_is_complete(const Census *census);

/* The *n processes with this number; borrowed. */
const CensusEntry *census_find(const Census *census, pid_t number, unsigned *n);

/* The host name in the process's namespace; NULL: not known. */
const char *census_host(const Census *census, const CensusEntry *entry);

/* All names of hosts that were found, this machine's first; NULL ends. */
const char *const *census_hosts(const Census *census);

#endif
