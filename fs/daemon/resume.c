#include "daemon/resume.h"

#include "base/log.h"
#include "engine/heals.h"

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

static uint32_t record_sizes(void)
{
    return sizeof(Node) + sizeof(Handle) + sizeof(Claim) + sizeof(Owner) + sizeof(HealRecord) +
           sizeof(JournalShared);
}

int resume_write(int state, ResumeHeader *header)
{
    const char *version = getenv(VERSION_VARIABLE);
    memcpy(header->magic, MAGIC, sizeof header->magic);
    header->version = version ? (uint32_t)atoi(version) : RESUME_VERSION;
    header->record_sizes = record_sizes();
    if (header->version == 1)
        header->device = 0;
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
    if (header->version < 1 || header->version > RESUME_VERSION)
        return "it is of another version of lockfs";
    if (header->record_sizes != record_sizes())
        return "its records are of another version of lockfs";
    if (!is_terminated(header->mountpoint) || !is_terminated(header->source) ||
        !is_terminated(header->scratch) || !is_terminated(header->path))
        return "it is damaged";
    return NULL;
}

static bool is_of_boot(const ResumeHeader *header, const char *boot_id)
{
    return strncmp(header->boot_id, boot_id, sizeof header->boot_id) == 0;
}

bool resume_read(int state, const char *boot_id, ResumeHeader *header)
{
    ssize_t n = pread(state, header, sizeof *header, ENGINE_HEADER_AT);
    const char *problem = problem_of(header, n);
    if (!problem && !is_of_boot(header, boot_id))
        problem = "it is of another boot";
    if (problem)
        log_error("cannot go on with the state of a running mount: %s (layout %u, this program "
                  "reads 1 to %d)",
                  problem, n > 0 ? header->version : 0, RESUME_VERSION);
    return !problem;
}

bool resume_read_left(int state, const char *boot_id, bool *same_boot)
{
    g_autofree ResumeHeader *header = g_new0(ResumeHeader, 1);
    ssize_t n = pread(state, header, sizeof *header, ENGINE_HEADER_AT);
    const char *problem = problem_of(header, n);
    if (problem)
        log_warning("the state that an earlier mount left is not taken up: %s; its locks are owned "
                    "by nobody now",
                    problem);
    else
        *same_boot = is_of_boot(header, boot_id);
    return !problem;
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
    keep_over_exec(true);
    int r = run_program(path, STATE_VARIABLE, state);
    keep_over_exec(false);
    return r;
}
