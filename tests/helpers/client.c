/* A process that does what a test tells it.
 *
 *     client [--pidns DEPTH] [--user UID:GID GROUPS]
 *
 * Says "ready PID", then answers each line on standard input with one on standard output. The
 * commands are described in Lockfs::Test. With --pidns the server is process 1 of a new pid
 * namespace, DEPTH levels down; the processes above it wait and end as it ends.
 */
#include "command.h"
#include "serve.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what) __attribute__((noreturn));
static void fail(const char *what)
{
    fprintf(stderr, "client: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Process 1 of a namespace cannot signal itself, so a signal goes up as an exit status and becomes
 * a signal again in the outermost process. */
static void end_as(pid_t pid, bool outermost) __attribute__((noreturn));
static void end_as(pid_t pid, bool outermost)
{
    int status;
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            exit(1);
    int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (outermost && code > 128) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(code - 128, SIG_DFL);
        raise(code - 128);
    }
    exit(code);
}

static void enter_pid_namespaces(int depth)
{
    for (int level = 0; level < depth; level++) {
        if (unshare(CLONE_NEWPID) < 0)
            fail("unshare");
        pid_t pid = fork();
        if (pid < 0)
            fail("fork");
        if (pid > 0)
            end_as(pid, level == 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
}

static void become_user(char *user, char *groups)
{
    char *gid = strchr(user, ':');
    if (!gid) {
        errno = EINVAL;
        fail("--user UID:GID GROUPS");
    }
    *gid++ = '\0';
    char *words[] = {"creds", user, gid, strcmp(groups, "-") == 0 ? gid : groups, NULL};
    char copy[512];
    snprintf(copy, sizeof(copy), "%s", words[3]);
    words[3] = copy;
    char *reply = command_run(4, words);
    if (strcmp(reply, "ok") != 0) {
        fprintf(stderr, "client: cannot become user %s: %s\n", user, reply);
        exit(1);
    }
    free(reply);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 && strcmp(argv[1], "--resumed") == 0) {
        serve_answer("ok");
        serve_forever();
    }
    /* Whatever whoever runs the tests had open is not the client's, whose commands name descriptors
     * by number. */
    close_range(3, ~0U, 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--pidns") == 0 && i + 1 < argc) {
            enter_pid_namespaces((int)command_number(argv[++i]));
        } else if (strcmp(argv[i], "--user") == 0 && i + 2 < argc) {
            become_user(argv[i + 1], argv[i + 2]);
            i += 2;
        } else {
            fprintf(stderr, "client: unknown argument %s\n", argv[i]);
            return 2;
        }
    }
    serve_greet();
    serve_forever();
}
