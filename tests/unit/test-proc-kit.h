/* What the tests of fs/proc/ share: a world of real processes.
 *
 * A test program doubles as the programs under test. Run with LOCKFS_TEST_ACTOR in its environment
 * (under any name, a copy called "mkdir" say) it writes its pid to descriptor 4 and lives until
 * descriptor 3 ends; with "--spawn PROG ARG…" among its arguments it runs that instead and waits
 * for it.
 *
 * Every test gets a World: a Proc with some features switched off, the shipped helpers, a directory
 * of its own. Its end checks that no descriptor was left open.
 */
#ifndef LOCKFS_TEST_PROC_KIT_H
#define LOCKFS_TEST_PROC_KIT_H

#include "base/fd.h"
#include "proc/helper-list.h"
#include "proc/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACTOR_VARIABLE "LOCKFS_TEST_ACTOR"
#define ACTOR_IN 3
#define ACTOR_OUT 4

typedef struct {
    Proc *proc;
    HelperList *helpers;
    char *dir;
    int fds;
} World;

typedef struct {
    pid_t pid;
    int in;  /* closing it lets the actor end */
    int out; /* what the actor says */
} Actor;

#define ACTOR_NONE ((Actor){.in = -1, .out = -1})

/* --- being an actor --- */

static inline int actor_main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--spawn") != 0)
            continue;
        pid_t pid = fork();
        if (pid == 0) {
            execvp(argv[i + 1], argv + i + 1);
            _exit(127);
        }
        waitpid(pid, NULL, 0);
        return 0;
    }
    char byte;
    dprintf(ACTOR_OUT, "%d\n", (int)getpid());
    while (read(ACTOR_IN, &byte, 1) > 0)
        ;
    return 0;
}

#define ACTOR_OR_TEST(argc, argv)                                                                  \
    do {                                                                                           \
        if (getenv(ACTOR_VARIABLE))                                                                \
            return actor_main(argc, argv);                                                         \
        g_test_init(&argc, &argv, NULL);                                                           \
    } while (0)

/* --- starting actors --- */

static inline void actor_child_side(int in, int out)
{
    /* Above both targets first, so that neither overwrites the other. */
    int high_in = fcntl(in, F_DUPFD, 20);
    int high_out = fcntl(out, F_DUPFD, 20);
    dup2(high_in, ACTOR_IN);
    dup2(high_out, ACTOR_OUT);
    close_range(ACTOR_OUT + 1, ~0U, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Forks; in the child returns with pid 0 and the pipes at ACTOR_IN and ACTOR_OUT. */
static inline Actor actor_fork(void)
{
    int in[2], out[2];
    g_assert_cmpint(pipe2(in, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(out, O_CLOEXEC), ==, 0);
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        actor_child_side(in[0], out[1]);
        return (Actor){.pid = 0, .in = ACTOR_IN, .out = ACTOR_OUT};
    }
    close(in[0]);
    close(out[1]);
    return (Actor){.pid = pid, .in = in[1], .out = out[0]};
}

static inline Actor actor_exec(char *const argv[])
{
    Actor actor = actor_fork();
    if (actor.pid == 0) {
        setenv(ACTOR_VARIABLE, "1", 1);
        execvp(argv[0], argv);
        _exit(127);
    }
    return actor;
}

/* A line said by the actor or by one of its children; -1 at the end. */
static inline pid_t actor_hear(const Actor *actor)
{
    char line[32];
    size_t n = 0;
    while (n + 1 < sizeof line && read(actor->out, line + n, 1) == 1 && line[n] != '\n')
        n++;
    line[n] = '\0';
    return n ? (pid_t)strtol(line, NULL, 10) : -1;
}

/* In a forked child: says `number`, then waits to be let go. */
static inline _Noreturn void actor_say_and_stay(long number)
{
    char byte;
    dprintf(ACTOR_OUT, "%ld\n", number);
    while (read(ACTOR_IN, &byte, 1) > 0)
        ;
    _exit(0);
}

static inline void actor_close(Actor *actor)
{
    actor->in = fd_close(actor->in);
    actor->out = fd_close(actor->out);
}

/* Lets it go (its children hold the same pipe), and collects it. */
static inline void actor_end(Actor *actor)
{
    actor->in = fd_close(actor->in);
    g_assert_cmpint(waitpid(actor->pid, NULL, 0), ==, actor->pid);
    actor_close(actor);
}

static inline void actor_kill(Actor *actor)
{
    kill(actor->pid, SIGKILL);
    actor_end(actor);
}

/* --- the world --- */

static inline int count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    int n = 0;
    while (g_dir_read_name(dir))
        n++;
    return n;
}

static inline void world_set_up(World *w, gconstpointer without)
{
    w->fds = count_fds();
    w->dir = g_dir_make_tmp("lockfs-proc-XXXXXX", NULL);
    w->helpers = helper_list_new_shipped();
    g_assert_cmpint(proc_open((ProcWithout)GPOINTER_TO_INT(without), &w->proc), ==, 0);
}

static inline void world_tear_down(World *w, gconstpointer without)
{
    (void)without;
    proc_close(w->proc);
    helper_list_free(w->helpers);
    const char *name;
    GDir *dir = g_dir_open(w->dir, 0, NULL);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(w->dir, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    g_rmdir(w->dir);
    g_free(w->dir);
    g_assert_cmpint(count_fds(), ==, w->fds);
}

/* Copies this test program to `name` in the world's directory: an executable of that name. */
static inline char *world_program(World *w, const char *name)
{
    g_autofree char *bytes = NULL;
    gsize size;
    char *path = g_build_filename(w->dir, name, NULL);
    g_assert_true(g_file_get_contents("/proc/self/exe", &bytes, &size, NULL));
    g_assert_true(
        g_file_set_contents_full(path, bytes, (gssize)size, G_FILE_SET_CONTENTS_NONE, 0755, NULL));
    return path;
}

static inline void world_add_program(World *w, const char *name)
{
    g_free(world_program(w, name));
}

static inline bool need_root(void)
{
    if (geteuid() == 0)
        return true;
    g_test_skip("needs root");
    return false;
}

static inline bool need_program(const char *name)
{
    g_autofree char *path = g_find_program_in_path(name);
    if (path)
        return true;
    g_autofree char *why = g_strdup_printf("%s is not installed", name);
    g_test_skip(why);
    return false;
}

typedef void (*WorldTest)(World *, gconstpointer);

/* Adds the test once for each way the kernel may be lacking. */
static inline void add_everywhere(const char *name, WorldTest test)
{
    static const struct {
        const char *name;
        int without;
    } kernels[] = {
        {"full", PROC_WITHOUT_NOTHING},
        {"no-pidfs", PROC_WITHOUT_PIDFS},
        {"no-pidfd-thread", PROC_WITHOUT_PIDFD_THREAD},
        {"no-pidfd-info", PROC_WITHOUT_PIDFD_INFO},
        {"no-ns-pid", PROC_WITHOUT_NS_PID},
        {"old", PROC_WITHOUT_PIDFS | PROC_WITHOUT_PIDFD_THREAD | PROC_WITHOUT_PIDFD_INFO |
                    PROC_WITHOUT_NS_PID},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(kernels); i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", name, kernels[i].name);
        g_test_add(path, World, GINT_TO_POINTER(kernels[i].without), world_set_up, test,
                   world_tear_down);
    }
}

#endif
