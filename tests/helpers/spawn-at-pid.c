/* Starts a program under a chosen pid.
 *
 *     spawn-at-pid PID PROGRAM ARGS…
 *
 * Needs CAP_CHECKPOINT_RESTORE or root. Waits and ends as the program ends; exit status 126 with a
 * message when the pid is taken or the kernel does not allow it.
 */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t fork_at(pid_t pid)
{
    struct clone_args args = {
        .exit_signal = SIGCHLD,
        .set_tid = (uint64_t)(uintptr_t)&pid,
        .set_tid_size = 1,
    };
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: spawn-at-pid PID PROGRAM ARGS…\n");
        return 126;
    }
    pid_t pid = fork_at((pid_t)atoi(argv[1]));
    if (pid < 0) {
        fprintf(stderr, "spawn-at-pid: no process %s: %s\n", argv[1], strerror(errno));
        return 126;
    }
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 126;
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    return WEXITSTATUS(status);
}
