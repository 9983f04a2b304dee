/* Waits for the deaths of many processes at once.
 *
 * A DeathWatch is an epoll set of pidfds (and of cgroup.events files, which speak of a whole
 * cgroup). One thread waits; any thread may add and remove. Level-triggered, so a process that was
 * dead when it was added is reported like any other, and nothing is lost between the check and the
 * wait.
 *
 * A reported entry stays in the set; the one who waits removes it. An event can still be reported
 * once after a removal by another thread, so `cookie` must be a number that can be looked up, never
 * a pointer.
 *
 * A cgroup is reported when its cgroup.events changed since it was last read, also when it did not
 * become empty: the one who waits asks identity_cgroup_empty(), and that reading quiets it.
 */
#ifndef LOCKFS_PROC_DEATH_WATCH_H
#define LOCKFS_PROC_DEATH_WATCH_H

#include <stdint.h>

typedef struct DeathWatch DeathWatch;

int death_watch_new(DeathWatch **out);
void death_watch_free(DeathWatch *watch);

/* `fd` stays the caller's and must outlive its membership. Any cookie but UINT64_MAX.
 * 0 or negative errno (-EEXIST: it is in already; -ENOSPC, -ENOMEM; -EINVAL: that cookie). */
int death_watch_add_process(DeathWatch *watch, int pidfd, uint64_t cookie);
int death_watch_add_cgroup(DeathWatch *watch, int cgroup_events, uint64_t cookie);

/* A process whose death alone decides nothing: it is reported once. */
int death_watch_add_member(DeathWatch *watch, int pidfd, uint64_t cookie);

void death_watch_remove(DeathWatch *watch, int fd);

/* Wakes the waiter from any thread. */
void death_watch_wake(DeathWatch *watch);

/* Waits for deaths, a wake, or the timeout (ms, -1: none). Fills cookies; returns how many (0 on a
 * wake, a signal or time-out), negative errno on failure. A wake before the wait ends it at once;
 * several count as one. */
int death_watch_wait(DeathWatch *watch, uint64_t *cookies, int max, int timeout_ms);

#endif
