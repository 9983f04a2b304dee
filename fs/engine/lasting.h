/* What outlives a worker beside the tables: plain stores, each of which may be the last. */
#ifndef LOCKFS_ENGINE_LASTING_H
#define LOCKFS_ENGINE_LASTING_H

#include "engine/stats.h"
#include "engine/waiters.h"

struct Lasting {
    pid_t reaper_tid; /* a request of its may be the one that was interrupted */
    RequestStats requests;
    Waiter waiters[WAITERS_SLOTS];
    int64_t begun_ns; /* when serving began, as files are stamped; 0: not known */
};

#endif
