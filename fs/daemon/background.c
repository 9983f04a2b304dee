#include "daemon/background.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void __attribute__((noreturn)) wait_for_child(pid_t child, int ready)
{
    char byte;
    ssize_t n;
    do
        n = read(ready, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        _exit(0);
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1);
}

int background_start(void)
{
    int ends[2];
    pid_t child = -1;
    if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0) {
        log_error("cannot go to the background: %s", strerror(errno));
        exit(1);
    }
    if (child) {
        close(ends[1]);
        wait_for_child(child, ends[0]);
    }
    close(ends[0]);
    setsid();
    if (chdir("/") != 0)
        log_warning("cannot change to /: %s", strerror(errno));
    return ends[1];
}

void background_ready(int notify)
{
    AUTO_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    log_set_target(LOG_TO_SYSTEM);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    ssize_t ignored = write(notify, "1", 1);
    (void)ignored;
    close(notify);
}
