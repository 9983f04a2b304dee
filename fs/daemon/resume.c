#include "daemon/resume.h"

#include "base/log.h"
#include "engine/engine.h"
#include "engine/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAGIC "lockfs\n"
#define STATE_VARIABLE "LOCKFS_RESUME"
#define CHECK_VARIABLE "LOCKFS_RESUME_CHECK"

/* For the test of other versions: pretends to be a program of that one. */
#define VERSION_VARIABLE "LOCKFS_STATE_VERSION"

uint32_t resume_version(void)
{
    const char *version = getenv(VERSION_VARIABLE);
    return version ? (uint32_t)atoi(version) : LAYOUT_VERSION;
}

int resume_write(int state, ResumeHeader *header)
{
    memcpy(header->magic, MAGIC, sizeof header->magic);
    header->version = resume_version();
    header->record_sizes = layout_record_sizes(header->version);
    if (header->version < 2)
        header->device = 0;
    if (header->version < 3)
        header->pid_ns = 0;
    else
        g_strlcpy(header->program, LOCKFS_VERSION, sizeof header->program);
    ssize_t n = pwrite(state, header, sizeof *header, ENGINE_HEADER_AT);
    return n < 0 ? -errno : n == sizeof *header ? 0 : -ENOSPC;
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

bool resume_is_possible(int state)
{
    char path[PATH_MAX];
    installed_path(path);
    pid_t child = fork(); /* with descriptors of its own */
    if (child == 0) {
        fcntl(state, F_SETFD, 0);
        run_program(path, CHECK_VARIABLE, state);
        _exit(127);
    }
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && status == 0;
}

int resume_exec(int state, bool installed)
{
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
