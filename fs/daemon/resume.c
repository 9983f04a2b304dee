#include "daemon/resume.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/keeper.h"
#include "engine/engine.h"
#include "engine/layout.h"
#include "proc/pidref.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAGIC "lockfs\n"

/* For processes that were killed to be seen not to run. */
#define END_TRIES 500
#define END_PAUSE_NS (10 * CLOCK_NS_PER_MS)

/* For the installed program to say whether it can take over. The keeper looks after nothing else
 * meanwhile. */
#define ANSWER_NS (5 * CLOCK_NS_PER_S)

#define STATE_VARIABLE "LOCKFS_RESUME"
#define CHECK_VARIABLE "LOCKFS_RESUME_CHECK"

/* For the test of other versions: pretends to be a program of that one. */
#define VERSION_VARIABLE "LOCKFS_STATE_VERSION"

uint32_t resume_version(void)
{
    const char *version = getenv(VERSION_VARIABLE);
    return version ? (uint32_t)atoi(version) : LAYOUT_VERSION;
}

static ResumeProcess this_process(const Proc *proc)
{
    AUTO_PIDREF Pidref ref = PIDREF_NONE;
    if (pidref_open(proc, getpid(), &ref) < 0)
        return (ResumeProcess){0};
    return (ResumeProcess){.pid = ref.pid, .start_time = ref.start_time, .inode = ref.inode};
}

int resume_write(int state, const Proc *proc, ResumeHeader *header)
{
    memcpy(header->magic, MAGIC, sizeof header->magic);
    header->version = resume_version();
    header->record_sizes = layout_record_sizes(header->version);
    if (header->version < 2)
        header->device = 0;
    if (header->version >= 3) {
        header->pid_ns = proc_own_pid_ns_id(proc);
        header->keeper = this_process(proc);
        g_strlcpy(header->program, LOCKFS_VERSION, sizeof header->program);
    }
    ssize_t n = pwrite(state, header, sizeof *header, ENGINE_HEADER_AT);
    return n < 0 ? -errno : n == sizeof *header ? 0 : -ENOSPC;
}

void resume_note_worker(int state, const Proc *proc)
{
    ResumeProcess worker = this_process(proc);
    if (resume_version() >= 3 &&
        pwrite(state, &worker, sizeof worker,
               (off_t)(ENGINE_HEADER_AT + offsetof(ResumeHeader, worker))) < 0)
        log_warning("cannot write down the worker in the state: %s", strerror(errno));
}

static bool end_process(const Proc *proc, const ResumeProcess *old, pid_t inside)
{
    AUTO_PIDREF Pidref ref = PIDREF_NONE;
    int r = old->pid > 0 ? pidref_open(proc, old->pid, &ref) : -ESRCH;
    Pidref was = {.pid = old->pid, .start_time = old->start_time, .inode = old->inode};
    if (r == -ESRCH || (r == 0 && !pidref_same(&ref, &was)))
        return true;
    if (r == 0)
        syscall(SYS_pidfd_send_signal, ref.fd, SIGKILL, NULL, 0);
    for (int tries = 0; r == 0 && tries < END_TRIES; tries++) {
        if (!keeper_can_run(old->pid, inside))
            return true;
        nanosleep(&(struct timespec){.tv_nsec = END_PAUSE_NS}, NULL);
    }
    log_error("process %d served this mount and does not end: %s", old->pid,
              r < 0 ? strerror(-r) : "it still runs");
    return false;
}

static int take_variable(const char *name)
{
    const char *text = getenv(name);
    int fd = text ? atoi(text) : -1;
    unsetenv(name);
    return fd;
}

int resume_asked(bool *check)
{
    int fd = take_variable(CHECK_VARIABLE);
    *check = fd >= 0;
    return fd >= 0 ? fd : take_variable(STATE_VARIABLE);
}

static bool is_terminated(const char text[PATH_MAX])
{
    return memchr(text, '\0', PATH_MAX) != NULL;
}

static const char *problem_of(const ResumeHeader *header, ssize_t size)
{
    if (size != sizeof *header || memcmp(header->magic, MAGIC, sizeof header->magic) != 0)
        return "it is none";
    if (header->version < 1 || header->version > LAYOUT_VERSION)
        return "it is of another version of lockfs";
    if (header->record_sizes != layout_record_sizes(header->version))
        return "its records are of another version of lockfs";
    if (!is_terminated(header->mountpoint) || !is_terminated(header->source) ||
        !is_terminated(header->scratch) || !is_terminated(header->path))
        return "it is damaged";
    return NULL;
}

EngineWorld resume_world(const ResumeHeader *header, const Proc *proc)
{
    if (strncmp(header->boot_id, proc_boot_id(proc), sizeof header->boot_id) != 0)
        return ENGINE_WORLD_GONE;
    bool same = header->pid_ns == 0 || header->pid_ns == proc_own_pid_ns_id(proc);
    return same ? ENGINE_WORLD_SAME : ENGINE_WORLD_FOREIGN;
}

bool resume_end_old(int state, const Proc *proc)
{
    g_autofree ResumeHeader *header = g_new0(ResumeHeader, 1);
    ssize_t n = pread(state, header, sizeof *header, ENGINE_HEADER_AT);
    if (n != sizeof *header || memcmp(header->magic, MAGIC, sizeof header->magic) != 0 ||
        resume_world(header, proc) != ENGINE_WORLD_SAME)
        return true; /* it names nobody here */
    /* The keeper first: it would start another worker. */
    uint32_t inside = 0;
    if (pread(state, &inside, sizeof inside, offsetof(JournalShared, inside)) < 0)
        return false;
    return end_process(proc, &header->keeper, 0) &&
           end_process(proc, &header->worker, (pid_t)inside);
}

bool resume_read(int state, const Proc *proc, ResumeHeader *header)
{
    ssize_t n = pread(state, header, sizeof *header, ENGINE_HEADER_AT);
    const char *problem = problem_of(header, n);
    if (!problem && resume_world(header, proc) != ENGINE_WORLD_SAME)
        problem = "it is of another boot or pid namespace";
    if (problem)
        log_error("cannot go on with the state of a running mount: %s (layout %u, this program "
                  "reads 1 to %d)",
                  problem, n > 0 ? header->version : 0, LAYOUT_VERSION);
    return !problem;
}

bool resume_read_left(int state, ResumeHeader *header)
{
    ssize_t n = pread(state, header, sizeof *header, ENGINE_HEADER_AT);
    const char *problem = problem_of(header, n);
    if (problem)
        log_warning("the state that an earlier mount left is not taken up: %s; its locks are owned "
                    "by nobody now",
                    problem);
    return !problem;
}

int resume_convert(int state, uint32_t version)
{
    if (resume_version() < LAYOUT_VERSION)
        return 0; /* it is to stay as it is: a test */
    pid_t child = fork();
    if (child == 0)
        _exit(-layout_convert(state, version));
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) ? -WEXITSTATUS(status) : -EAGAIN;
}

/* The command line this process was started with. */
static char **own_arguments(void)
{
    g_autofree char *text = NULL;
    gsize size;
    if (!g_file_get_contents("/proc/self/cmdline", &text, &size, NULL))
        return NULL;
    GPtrArray *args = g_ptr_array_new();
    for (gsize at = 0; at < size; at += strlen(text + at) + 1)
        g_ptr_array_add(args, g_strdup(text + at));
    g_ptr_array_add(args, NULL);
    return (char **)g_ptr_array_free(args, FALSE);
}

/* The file that was executed, or what was installed over it. */
static void installed_path(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    char *deleted = g_str_has_suffix(path, " (deleted)") ? strrchr(path, ' ') : NULL;
    if (deleted)
        *deleted = '\0';
}

static int run_program(const char *path, const char *variable, int state)
{
    g_auto(GStrv) args = own_arguments();
    char number[16];
    snprintf(number, sizeof number, "%d", state);
    if (!args || !args[0])
        return -ENOMEM;
    setenv(variable, number, 1);
    execv(path, args);
    int err = errno;
    unsetenv(variable);
    return -err;
}

static void keep_over_exec(bool keep)
{
    long max = sysconf(_SC_OPEN_MAX);
    int quiet = 0;
    for (int fd = 3; fd < max && quiet < 4096; fd++, quiet++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0)
            continue;
        quiet = 0;
        fcntl(fd, F_SETFD, keep ? flags & ~FD_CLOEXEC : flags | FD_CLOEXEC);
    }
}

#define YES "lockfs can go on:"

void resume_say_yes(void)
{
    printf(YES " version %s layout %d\n", LOCKFS_VERSION, LAYOUT_VERSION);
    fflush(stdout);
}

/* In a child with descriptors of its own. */
static void __attribute__((noreturn)) ask(int state, int answer)
{
    char path[PATH_MAX];
    installed_path(path);
    dup2(answer, STDOUT_FILENO);
    dup2(answer, STDERR_FILENO);
    fcntl(state, F_SETFD, 0);
    unsetenv(VERSION_VARIABLE);
    int r = run_program(path, CHECK_VARIABLE, state);
    dprintf(STDERR_FILENO, "%s cannot be run: %s\n", path, strerror(-r));
    _exit(127);
}

/* Until the end, or until it takes too long. */
static void read_answer(int fd, char *text, size_t size)
{
    int64_t end = clock_boot_ns() + ANSWER_NS;
    size_t at = 0;
    ssize_t n = 1;
    while (n > 0 && at + 1 < size) {
        struct pollfd answer = {.fd = fd, .events = POLLIN};
        int64_t left = end - clock_boot_ns();
        int ready = left > 0 ? poll(&answer, 1, (int)(left / CLOCK_NS_PER_MS)) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        n = ready > 0 ? read(fd, text + at, size - 1 - at) : 0;
        at += n > 0 ? (size_t)n : 0;
    }
    text[at] = '\0';
}

/* Its last line. */
static const char *last_line(char *text)
{
    g_strchomp(text);
    const char *newline = strrchr(text, '\n');
    const char *line = newline ? newline + 1 : text;
    return g_str_has_prefix(line, "lockfs: ") ? line + strlen("lockfs: ") : line;
}

bool resume_ask_installed(int state, ResumeInstalled *installed)
{
    char text[4096];
    int ends[2], status = -1;
    *installed = (ResumeInstalled){0};
    if (pipe2(ends, O_CLOEXEC) != 0) {
        g_strlcpy(installed->problem, strerror(errno), sizeof installed->problem);
        return false;
    }
    pid_t child = fork();
    if (child == 0)
        ask(state, ends[1]);
    close(ends[1]);
    read_answer(ends[0], text, sizeof text);
    close(ends[0]);
    if (child > 0)
        kill(child, SIGKILL); /* it has said what it had to say, or does not answer */
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    const char *line = last_line(text);
    bool yes =
        sscanf(line, YES " version %31s layout %u", installed->version, &installed->layout) == 2;
    g_strlcpy(installed->problem, *line ? line : "it does not answer", sizeof installed->problem);
    return yes;
}

/* It was for the process whose place is taken. */
static void keep_watchdog(void)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", getpid());
    if (getenv("WATCHDOG_PID"))
        setenv("WATCHDOG_PID", pid, 1);
}

int resume_exec(int state, bool installed)
{
    keep_watchdog();
    char path[PATH_MAX] = "/proc/self/exe";
    if (installed)
        installed_path(path);
    if (installed)
        unsetenv(VERSION_VARIABLE); /* it is what it is */
    keep_over_exec(true);
    int r = run_program(path, STATE_VARIABLE, state);
    keep_over_exec(false);
    return r;
}
