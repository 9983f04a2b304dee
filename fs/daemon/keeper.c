#include "daemon/keeper.h"

#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waiting for the last threads of a dead worker, and for anything where the kernel lacks a call. */
#define MOMENT_NS (CLOCK_NS_PER_MS / 2)
#define FALLBACK_NS (20 * CLOCK_NS_PER_MS)

/* A worker that dies this early with nothing answered may do so for ever: the next one waits a
 * little. */
#define QUICK_NS (20 * CLOCK_NS_PER_MS)
#define QUICK_FREE 100
#define QUICK_WAIT_MS 200

/* What a signal handler can reach: a process has its signals once. */
static struct {
    KeeperShared *shared;
    volatile sig_atomic_t end, replace;
} received;

typedef struct {
    Keeper *keeper;
    KeeperShared *shared;
    pid_t pid;
    int status; /* of waitpid */
    int64_t started_ns;
    uint32_t answers; /* until it started */
    unsigned quick;   /* deaths in a row */
    bool told_to_end;
    bool hung;
    bool replacing;
    char oom_given[16]; /* oom_score_adj as it was; empty: not known */
    uint64_t seen;
    int64_t stuck_since_ns; /* 0: it is not */
    KeeperStart start;
} Run;

GArray *keeper_descriptors(void)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] != '.' && fd != dirfd(dir))
            g_array_append_val(fds, fd);
    }
    if (dir)
        closedir(dir);
    return fds;
}

static bool contains(const GArray *fds, int fd)
{
    for (guint i = 0; i < fds->len; i++)
        if (g_array_index(fds, int, i) == fd)
            return true;
    return false;
}

static GArray *leftovers(const Keeper *keeper)
{
    GArray *left = keeper_descriptors();
    for (guint i = left->len; i-- > 0;)
        if (contains(keeper->own, g_array_index(left, int, i)))
            g_array_remove_index_fast(left, i);
    return left;
}

/* --- signals --- */

static void note_signal(int number)
{
    if (number == SIGUSR1)
        received.replace = 1;
    else if (number != SIGCHLD)
        received.end = 1;
    __atomic_add_fetch(&received.shared->signals, 1, __ATOMIC_RELEASE);
}

static const int handled[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1};

/* What would stop or end the keeper for nothing: a terminal's job control, a log that nobody reads
 * any more. The worker inherits that. */
static const int ignored[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE};

static void handle_signals(KeeperShared *shared, bool in_keeper)
{
    struct sigaction action = {.sa_flags = SA_NOCLDSTOP};
    action.sa_handler = in_keeper ? note_signal : SIG_DFL;
    received.shared = shared;
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < G_N_ELEMENTS(handled); i++) {
        sigaction(handled[i], &action, NULL);
        sigaddset(&set, handled[i]);
    }
    if (in_keeper)
        sigprocmask(SIG_UNBLOCK, &set, NULL); /* a worker holds them until it can deal with them */
}

/* --- what tells the two apart --- */

#define OOM_SCORE "/proc/self/oom_score_adj"

static void write_oom_score(const char *text)
{
    int fd = open(OOM_SCORE, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t ignored_n = write(fd, text, strlen(text)); /* an ordinary user may not lower it */
    (void)ignored_n;
    close(fd);
}

/* The kernel takes memory back from the worker, if from either: that one can be replaced. */
static void become_keeper(Run *run)
{
    prctl(PR_SET_NAME, KEEPER_COMM);
    for (size_t i = 0; i < G_N_ELEMENTS(ignored); i++)
        signal(ignored[i], SIG_IGN);
    int fd = open(OOM_SCORE, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, run->oom_given, sizeof run->oom_given - 1);
    if (fd >= 0)
        close(fd);
    run->oom_given[n > 0 ? n : 0] = '\0';
    write_oom_score("-1000");
}

static void become_worker(const Run *run)
{
    prctl(PR_SET_NAME, WORKER_COMM);
    write_oom_score(run->oom_given);
}

/* --- the worker's life --- */

/* The worker stays in the keeper's session: the scheduler groups processes by session, and with one
 * of its own each request would cost a tenth more. */
static bool start_worker(Run *run)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    run->shared->worker = 1;
    run->shared->done = false;
    run->start.leftovers = leftovers(run->keeper);
    long pid = syscall(SYS_clone, CLONE_FILES | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
                       NULL, NULL, &run->shared->worker, NULL);
    if (pid == 0) {
        handle_signals(run->shared, false);
        become_worker(run);
        sigdelset(&before, SIGCHLD);
        for (size_t i = 1; i < G_N_ELEMENTS(handled); i++)
            sigaddset(&before, handled[i]);
        sigprocmask(SIG_SETMASK, &before, NULL);
        int status = run->keeper->run(run->keeper->ctx, &run->start);
        run->shared->done = true;
        _exit(status);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    g_array_free(run->start.leftovers, TRUE);
    run->pid = pid < 0 ? 0 : (pid_t)pid;
    run->started_ns = clock_boot_ns();
    run->answers = run->keeper->answers(run->keeper->ctx);
    run->told_to_end = run->hung = false;
    run->stuck_since_ns = 0;
    run->start.number++;
    return pid > 0;
}

static struct timespec after(int64_t ns)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ns += now.tv_sec * CLOCK_NS_PER_S + now.tv_nsec;
    return (struct timespec){.tv_sec = ns / CLOCK_NS_PER_S, .tv_nsec = ns % CLOCK_NS_PER_S};
}

static void wait_a_while(const Run *run, uint32_t worker, uint32_t signals)
{
    const KeeperShared *shared = run->shared;
    struct futex_waitv words[] = {
        {.val = worker, .uaddr = (uintptr_t)&shared->worker, .flags = FUTEX_32},
        {.val = signals, .uaddr = (uintptr_t)&shared->signals, .flags = FUTEX_32},
    };
    struct timespec until = after(run->keeper->look_ns);
    if (syscall(SYS_futex_waitv, words, 2, 0, &until, CLOCK_MONOTONIC) < 0 && errno == ENOSYS)
        nanosleep(&(struct timespec){.tv_nsec = FALLBACK_NS}, NULL);
}

static char state_of(pid_t pid, const char *task)
{
    char path[300], text[512];
    snprintf(path, sizeof path, "/proc/%d/task/%s/stat", pid, task);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 'X';
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    return (char)(end && end[1] == ' ' ? end[2] : 'X');
}

bool keeper_can_run(pid_t pid, pid_t inside)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *dir = opendir(path);
    bool running = false;
    const struct dirent *entry;
    while (dir && !running && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        char state = state_of(pid, entry->d_name);
        bool sleeps = state == 'D' && atoi(entry->d_name) == inside;
        running = !sleeps && state != 'Z' && state != 'X';
    }
    if (dir)
        closedir(dir);
    return running;
}

static pid_t inside(const Run *run)
{
    return (pid_t)__atomic_load_n(run->keeper->inside, __ATOMIC_ACQUIRE);
}

/* true: the worker is over, with run->status set. */
static bool is_over(Run *run)
{
    pid_t r = waitpid(run->pid, &run->status, WNOHANG);
    if (r == run->pid || (r < 0 && errno == ECHILD))
        return true;
    if (__atomic_load_n(&run->shared->worker, __ATOMIC_ACQUIRE) != 0)
        return false;
    while (keeper_can_run(run->pid, inside(run)))
        nanosleep(&(struct timespec){.tv_nsec = MOMENT_NS}, NULL);
    run->status = SIGKILL; /* what it died of is told only when all of it is gone */
    waitpid(run->pid, &run->status, WNOHANG);
    return true;
}

static void look_at_progress(Run *run)
{
    const Keeper *keeper = run->keeper;
    int64_t now = clock_boot_ns();
    bool stuck = keeper->is_stuck(keeper->ctx, &run->seen);
    char task[16];
    snprintf(task, sizeof task, "%d", run->pid);
    /* One that waits for a disk is not helped by being killed. */
    bool waits = stuck && state_of(run->pid, task) == 'D';
    if (!stuck || waits)
        keeper->tell(keeper->ctx, KEEPER_NEWS_ALIVE, &run->start);
    if (!stuck)
        run->stuck_since_ns = 0;
    else if (!run->stuck_since_ns)
        run->stuck_since_ns = now;
    if (!stuck || waits || now - run->stuck_since_ns < keeper->hang_limit * CLOCK_NS_PER_S)
        return;
    run->hung = true;
    run->stuck_since_ns = 0;
    kill(run->pid, SIGKILL);
}

static void wait_for_end(Run *run)
{
    int64_t last_look = clock_boot_ns();
    for (;;) {
        uint32_t signals = __atomic_load_n(&run->shared->signals, __ATOMIC_ACQUIRE);
        uint32_t worker = __atomic_load_n(&run->shared->worker, __ATOMIC_ACQUIRE);
        if (is_over(run))
            return;
        if (received.end && !run->told_to_end) {
            run->told_to_end = true;
            run->keeper->tell(run->keeper->ctx, KEEPER_NEWS_ENDING, &run->start);
            kill(run->pid, SIGTERM);
        }
        if (received.replace && !run->replacing) {
            received.replace = 0;
            run->replacing = run->keeper->may_replace(run->keeper->ctx);
            if (run->replacing)
                kill(run->pid, SIGKILL);
        }
        wait_a_while(run, worker, signals);
        if (clock_boot_ns() - last_look >= run->keeper->look_ns) {
            last_look = clock_boot_ns();
            look_at_progress(run);
        }
    }
}

static void describe_end(Run *run)
{
    KeeperStart *start = &run->start;
    bool exited = WIFEXITED(run->status);
    start->died_ns = clock_boot_ns();
    start->why = run->hung ? TAKEOVER_HUNG : exited ? TAKEOVER_EXITED : TAKEOVER_SIGNALLED;
    start->signal = start->why == TAKEOVER_SIGNALLED ? WTERMSIG(run->status) : 0;
    if (run->hung)
        snprintf(start->cause, sizeof start->cause, "the last did not answer for %u s",
                 run->keeper->hang_limit);
    else if (exited)
        snprintf(start->cause, sizeof start->cause, "the last exited with status %d",
                 WEXITSTATUS(run->status));
    else
        snprintf(start->cause, sizeof start->cause, "the last died of signal %d",
                 WTERMSIG(run->status));
}

static bool answered_nothing(const Run *run)
{
    return run->answers == run->keeper->answers(run->keeper->ctx);
}

static void slow_down(Run *run)
{
    bool quick = clock_boot_ns() - run->started_ns < QUICK_NS && answered_nothing(run);
    run->quick = quick ? run->quick + 1 : 0;
    if (run->quick > QUICK_FREE)
        nanosleep(&(struct timespec){.tv_nsec = QUICK_WAIT_MS * CLOCK_NS_PER_MS}, NULL);
}

/* Nothing is logged here once the worker runs: a connection to the log is a descriptor, and its
 * number is known to one process only. */

/* Those that could not be waited for when they died. */
static void reap_old(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

/* It came to its end, or the first one never came up. A library that calls exit() in the middle is
 * no reason to lose the mount. */
static bool is_finished(const Run *run)
{
    bool first = run->start.number == 1 && answered_nothing(run);
    return WIFEXITED(run->status) && (run->shared->done || first);
}

static int run_workers(Run *run)
{
    for (;;) {
        if (!start_worker(run)) {
            log_error("cannot start a worker: %s", strerror(errno));
            if (run->start.number == 0)
                return 1;
            nanosleep(&(struct timespec){.tv_nsec = QUICK_WAIT_MS * CLOCK_NS_PER_MS}, NULL);
            continue;
        }
        if (run->start.number > 1)
            run->keeper->tell(run->keeper->ctx, KEEPER_NEWS_REPLACED, &run->start);
        wait_for_end(run);
        if (is_finished(run))
            return WEXITSTATUS(run->status);
        if (run->replacing) {
            write_oom_score(run->oom_given); /* the program that comes finds it as it was */
            run->keeper->replace(run->keeper->ctx);
            write_oom_score("-1000");
        }
        run->replacing = false; /* it could not be started: another worker then */
        describe_end(run);
        slow_down(run);
        reap_old();
    }
}

int keeper_run(Keeper *keeper)
{
    KeeperShared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        log_error("cannot start a worker: %s", strerror(errno));
        return 1;
    }
    Run run = {.keeper = keeper, .shared = shared, .start = {.keeper = getpid()}};
    if (keeper->resumed) {
        run.start.number = 1;
        run.start.died_ns = clock_boot_ns();
        run.start.why = TAKEOVER_REPLACED;
        g_strlcpy(run.start.cause, keeper->resumed, sizeof run.start.cause);
    }
    become_keeper(&run);
    handle_signals(shared, true);
    int status = run_workers(&run);
    munmap(shared, sizeof *shared);
    return status;
}
