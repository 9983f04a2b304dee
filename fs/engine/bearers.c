#include "engine/bearers.h"

#include "base/clock.h"
#include "proc/boot-clock.h"
#include "proc/census.h"
#include "proc/pidref.h"

#include <glib.h>
#include <unistd.h>

/* Of start times: USER_HZ is 100 everywhere. */
#define NS_PER_TICK (10 * CLOCK_NS_PER_MS)

/* The clock of the day runs with that of the boot unless it is set. */
#define SET_NS CLOCK_NS_PER_S

struct Bearers {
    const Proc *proc;
    Census *census;
    BootClock clock;
    uint64_t time_ns; /* our time namespace; 0: not known */
};

Bearers *bearers_new(const Proc *proc)
{
    Census *census;
    if (census_take(proc, &census) < 0)
        return NULL;
    Bearers *bearers = g_new0(Bearers, 1);
    *bearers = (Bearers){.proc = proc, .census = census, .clock = boot_clock_read(proc)};
    if (proc_ns_id(proc, getpid(), "time", &bearers->time_ns) < 0)
        bearers->time_ns = 0;
    return bearers;
}

void bearers_free(Bearers *bearers)
{
    if (!bearers)
        return;
    census_free(bearers->census);
    g_free(bearers);
}

bool bearers_are_current(const Bearers *bearers)
{
    int64_t off = clock_real_ns() - clock_boot_ns() - bearers->clock.high_ns;
    return off < SET_NS && off > -SET_NS;
}

bool bearers_know_host(const Bearers *bearers, const char *host)
{
    for (const char *const *known = census_hosts(bearers->census); *known; known++)
        if (lock_record_same_host(*known, host))
            return true;
    return false;
}

InferenceWorld bearers_world(const Bearers *bearers)
{
    return (InferenceWorld){
        .boot_ns = bearers->clock.known ? bearers->clock.low_ns : INT64_MIN,
        .complete = census_is_complete(bearers->census),
    };
}

static void describe(const Bearers *bearers, const Pidref *ref, InferenceBearer *seen)
{
    int64_t start_ns = (int64_t)ref->start_time * NS_PER_TICK;
    uint64_t time_ns;
    seen->start_ticks = ref->start_time;
    seen->shown_ns = bearers->clock.high_ns + start_ns;
    if (bearers->clock.known) {
        seen->first_ns = bearers->clock.low_ns + start_ns;
        seen->last_ns = bearers->clock.high_ns + start_ns;
    }
    seen->own_clock =
        proc_ns_id(bearers->proc, ref->pid, "time", &time_ns) < 0 || time_ns != bearers->time_ns;
    if (proc_pid_ns_id(bearers->proc, ref->pid, &seen->pid_ns) < 0)
        seen->pid_ns = 0;
    if (pidref_uid(bearers->proc, ref, &seen->uid) < 0)
        seen->last_ns = INT64_MAX;
}

/* false: it has ended, or is none of those that were there. */
static bool look_at(const Bearers *bearers, pid_t pid, InferenceBearer *seen)
{
    AUTO_PIDREF Pidref ref = PIDREF_NONE;
    ProcStat stat;
    seen->first_ns = INT64_MIN;
    seen->last_ns = seen->shown_ns = INT64_MAX;
    seen->own_clock = true;
    seen->init = proc_is_machine_init(bearers->proc, pid);
    int r = pidref_open_stat(bearers->proc, pid, &ref, &stat);
    if (r < 0)
        return r != -ESRCH;
    if (pidref_life(&ref) == PIDREF_DEAD || stat.kernel_thread)
        return false;
    if ((int64_t)(ref.start_time - 1) * NS_PER_TICK > census_boot_ns(bearers->census))
        return false;
    describe(bearers, &ref, seen);
    return true;
}

/* Programs may write down a thread's number; those of threads are not in the census. */
static void add_thread(const Bearers *bearers, pid_t number, GArray *found)
{
    ProcStatus status;
    Bearer bearer = {0};
    if (proc_status(bearers->proc, number, &status) < 0 || status.tgid == number)
        return;
    bearer.pid = status.tgid;
    if (look_at(bearers, status.tgid, &bearer.seen))
        g_array_append_val(found, bearer);
}

Bearer *bearers_find(const Bearers *bearers, pid_t number, unsigned *n)
{
    unsigned count;
    const CensusEntry *entries = census_find(bearers->census, number, &count);
    GArray *found = g_array_new(FALSE, FALSE, sizeof(Bearer));
    for (unsigned i = 0; i < count; i++) {
        Bearer bearer = {.pid = entries[i].pid};
        bearer.seen.host = census_host(bearers->census, &entries[i]);
        if (look_at(bearers, bearer.pid, &bearer.seen))
            g_array_append_val(found, bearer);
    }
    add_thread(bearers, number, found);
    *n = found->len;
    return (Bearer *)g_array_free(found, FALSE);
}
