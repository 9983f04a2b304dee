/* The process that outlives the workers: it holds every descriptor and starts a worker again when
 * one has died.
 *
 * A worker is a clone of the keeper that shares the table of descriptors with it and nothing else.
 * So whatever a worker opened is still open, under the same number, when the next one starts, and
 * the keeper itself does nothing but wait.
 *
 * The keeper waits until the worker's threads are gone, but for one: a thread that waits in a
 * system call on our own mount ends only when the next worker answers it. Any other may still be
 * changing the source, and must not go on doing so when the next worker has answered for it.
 *
 * It has a name of its own in ps(1), is the last process that the kernel ends for want of memory
 * (where it may say so), and does not stop with a terminal's job.
 */
#ifndef LOCKFS_DAEMON_KEEPER_H
#define LOCKFS_DAEMON_KEEPER_H

#include "engine/stats.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What ps(1) shows. */
#define KEEPER_COMM "lockfs-keeper"
#define WORKER_COMM "lockfs"

/* Shared by the keeper and its workers. */
typedef struct {
    uint32_t worker;  /* the worker's first thread; the kernel clears it when that ends */
    uint32_t signals; /* counts those that the keeper got */
} KeeperShared;

/* Why a worker starts. */
typedef struct {
    pid_t keeper;
    unsigned number; /* 0: the first one */
    int64_t died_ns; /* when the last one was seen to be dead, boot clock */
    char cause[48];  /* what it died of */
    TakeoverCause why;
    int signal;        /* for TAKEOVER_SIGNALLED */
    GArray *leftovers; /* descriptors that may be the dead one's */
} KeeperStart;

/* What others may want to hear of. */
typedef enum {
    KEEPER_NEWS_ALIVE,    /* the worker is not stuck; at each look */
    KEEPER_NEWS_REPLACED, /* another worker has started */
    KEEPER_NEWS_ENDING,   /* the keeper was told to end */
} KeeperNews;

typedef struct {
    /* Runs in the worker; the result is its exit status, which ends the keeper. */
    int (*run)(void *ctx, const KeeperStart *start);
    /* In the keeper: is the worker at work, or work waiting for it, and none was done since *seen
     * was last set? */
    bool (*is_stuck)(void *ctx, uint64_t *seen);
    /* In the keeper: how many requests were answered, modulo 2^32. */
    uint32_t (*answers)(void *ctx);
    /* The keeper got SIGUSR1. May another program take its place? If so, it is to be started by
     * `replace`, when the worker is dead. */
    bool (*may_replace)(void *ctx);
    void (*replace)(void *ctx);
    void (*tell)(void *ctx, KeeperNews news, const KeeperStart *start);
    const uint32_t *inside; /* the worker's thread that is in a system call on our own mount */
    void *ctx;
    const char *resumed; /* why there has been a worker before; NULL: there has not */
    GArray *own;         /* the keeper's descriptors */
    unsigned hang_limit; /* seconds without progress */
    int64_t look_ns;     /* how often the worker is looked at */
} Keeper;

/* The threads of a process have been killed; can one of them still do something? Not the one that
 * sleeps in our own mount (`inside`), where no signal reaches it. */
bool keeper_can_run(pid_t pid, pid_t inside);

/* Every open descriptor of this process. */
GArray *keeper_descriptors(void);

/* Until a worker ends by itself, or does not come up. Returns the exit status. */
int keeper_run(Keeper *keeper);

#endif
