#include "daemon/end-signal.h"

#include "base/clock.h"
#include "daemon/mount.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Interrupts the server's read; does nothing by itself. */
#define WAKE_SIGNAL SIGUSR2

/* The keeper has died. */
#define ORPHAN_SIGNAL SIGUSR1

/* A signal that comes between the server's look at its flag and its read is lost, so it is repeated
 * until the server has returned. */
#define REPEAT_NS (20 * CLOCK_NS_PER_MS)

struct EndSignal {
    Engine *engine;
    FuseServer *server;
    const Options *options;
    pthread_t thread;
    pid_t serving; /* by number: the C library does not know a cloned process's first thread */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool returned; /* lock */
    pid_t parent;
    void (*orphaned)(void *ctx);
    void *orphaned_ctx;
};

static void do_nothing(int number)
{
    (void)number;
}

static void end_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, ORPHAN_SIGNAL);
    sigaddset(set, WAKE_SIGNAL); /* sent to this thread: the server has returned by itself */
}

static struct timespec in_a_moment(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += REPEAT_NS;
    if (ts.tv_nsec >= CLOCK_NS_PER_S) {
        ts.tv_nsec -= CLOCK_NS_PER_S;
        ts.tv_sec++;
    }
    return ts;
}

/* The engine's own thread first: it may be waiting for the server. */
static void stop_server(EndSignal *end)
{
    engine_stop(end->engine);
    fuse_server_end(end->server);
    pthread_mutex_lock(&end->lock);
    while (!end->returned) {
        syscall(SYS_tgkill, getpid(), end->serving, WAKE_SIGNAL);
        struct timespec until = in_a_moment();
        pthread_cond_timedwait(&end->changed, &end->lock, &until);
    }
    pthread_mutex_unlock(&end->lock);
}

static void *end_main(void *data)
{
    EndSignal *end = data;
    sigset_t set;
    int number;
    end_set(&set);
    if (end->orphaned) {
        /* Of this thread, because the serving one loses it with every change of identity. */
        prctl(PR_SET_PDEATHSIG, ORPHAN_SIGNAL);
        if (getppid() != end->parent)
            end->orphaned(end->orphaned_ctx);
    }
    while (sigwait(&set, &number) == 0 && number == ORPHAN_SIGNAL)
        if (end->orphaned && getppid() != end->parent)
            end->orphaned(end->orphaned_ctx);
    if (number != WAKE_SIGNAL) {
        log_info("%s: ending on signal %d", end->options->mountpoint, number);
        mount_detach(end->options->mountpoint);
        stop_server(end);
    }
    return NULL;
}

void end_signal_hold(void)
{
    sigset_t set;
    end_set(&set);
    sigdelset(&set, WAKE_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int end_signal_new(Engine *engine, FuseServer *server, const Options *options,
                   const EndSignalParent *parent, EndSignal **out)
{
    EndSignal *end = g_new0(EndSignal, 1);
    if (parent) {
        end->parent = parent->pid;
        end->orphaned = parent->orphaned;
        end->orphaned_ctx = parent->ctx;
    }
    end->engine = engine;
    end->server = server;
    end->options = options;
    end->serving = (pid_t)syscall(SYS_gettid);
    pthread_mutex_init(&end->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&end->changed, &attr);
    pthread_condattr_destroy(&attr);

    struct sigaction wake = {.sa_handler = do_nothing}; /* no SA_RESTART: it must interrupt */
    sigaction(WAKE_SIGNAL, &wake, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    end_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* in all threads made from here on */
    int r = pthread_create(&end->thread, NULL, end_main, end);
    sigemptyset(&set);
    sigaddset(&set, WAKE_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (r != 0) {
        g_free(end);
        return -r;
    }
    *out = end;
    return 0;
}

void end_signal_free(EndSignal *end)
{
    pthread_mutex_lock(&end->lock);
    end->returned = true;
    pthread_cond_signal(&end->changed);
    pthread_mutex_unlock(&end->lock);
    pthread_kill(end->thread, WAKE_SIGNAL);
    pthread_join(end->thread, NULL);
    pthread_cond_destroy(&end->changed);
    pthread_mutex_destroy(&end->lock);
    g_free(end);
}
