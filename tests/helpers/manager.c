/* As much of a service manager as tests need: runs one service, takes its notifications, keeps the
 * descriptors it stores, and hands them to the next start.
 *
 *     manager SOCKET WATCHDOG_USEC PROGRAM [ARG...]
 *
 * Commands on standard input: "start"; "stop" (SIGTERM to the main process). On standard output, a
 * line each: "pid N"; "message VALUE|VALUE..."; "store NAME", "drop NAME", "lost NAME" (it polled
 * as broken); "exit N" or "signal N" of the started process.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX 64
#define FIRST_FD 3

typedef struct {
    char name[128];
    int fd;
    bool watched;
} Kept;

typedef struct {
    const char *path, *watchdog;
    char **argv;
    int socket;
    Kept kept[MAX];
    int n_kept;
    pid_t child, main;
    int pidfd;
} Manager;

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void drop(Manager *m, int i, const char *how)
{
    printf("%s %s\n", how, m->kept[i].name);
    close(m->kept[i].fd);
    m->kept[i] = m->kept[--m->n_kept];
}

static void hand_over(const Manager *m)
{
    char names[MAX * 129], number[16];
    int high[MAX], size = 0;
    for (int i = 0; i < m->n_kept; i++) {
        high[i] = fcntl(m->kept[i].fd, F_DUPFD_CLOEXEC, FIRST_FD + MAX);
        size += snprintf(names + size, sizeof names - (size_t)size, "%s%s", i ? ":" : "",
                         m->kept[i].name);
    }
    for (int i = 0; i < m->n_kept; i++)
        dup2(high[i], FIRST_FD + i);
    if (m->n_kept == 0)
        return;
    snprintf(number, sizeof number, "%d", m->n_kept);
    setenv("LISTEN_FDS", number, 1);
    setenv("LISTEN_FDNAMES", names, 1);
    snprintf(number, sizeof number, "%d", getpid());
    setenv("LISTEN_PID", number, 1);
}

static void start(Manager *m)
{
    fflush(stdout);
    m->child = m->main = fork();
    if (m->child == 0) {
        char pid[16];
        snprintf(pid, sizeof pid, "%d", getpid());
        setenv("NOTIFY_SOCKET", m->path, 1);
        if (strcmp(m->watchdog, "0") != 0) {
            setenv("WATCHDOG_USEC", m->watchdog, 1);
            setenv("WATCHDOG_PID", pid, 1);
        }
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDIN_FILENO);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        if (null > STDERR_FILENO)
            close(null);
        hand_over(m);
        execv(m->argv[0], m->argv);
        _exit(127);
    }
    m->pidfd = (int)syscall(SYS_pidfd_open, m->child, 0);
    printf("pid %d\n", m->child);
}

static const char *value(const char *text, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, name, n) == 0 && line[n] == '=') {
            snprintf(out, size, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
            return out;
        }
    return NULL;
}

#define KCMP_FILE 0

/* A descriptor that is kept already is not kept twice. */
static bool is_kept(const Manager *m, int fd)
{
    for (int i = 0; i < m->n_kept; i++)
        if (syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, fd, m->kept[i].fd) == 0)
            return true;
    return false;
}

static void keep(Manager *m, const char *text, int fd)
{
    char poll_it[8];
    if (is_kept(m, fd)) {
        close(fd);
        return;
    }
    if (m->n_kept == MAX)
        die("store");
    Kept *kept = &m->kept[m->n_kept++];
    *kept = (Kept){.fd = fd, .watched = !value(text, "FDPOLL", poll_it, sizeof poll_it)};
    if (!value(text, "FDNAME", kept->name, sizeof kept->name))
        snprintf(kept->name, sizeof kept->name, "stored");
    printf("store %s\n", kept->name);
}

static void take_message(Manager *m)
{
    char text[4096], word[128];
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(16 * sizeof(int))];
    } control;
    struct iovec iov = {text, sizeof text - 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n = recvmsg(m->socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0)
        return;
    text[n] = '\0';
    const struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    if (value(text, "FDSTORE", word, sizeof word) && cmsg && cmsg->cmsg_type == SCM_RIGHTS) {
        int fd;
        memcpy(&fd, CMSG_DATA(cmsg), sizeof fd);
        keep(m, text, fd);
        return;
    }
    if (value(text, "FDSTOREREMOVE", word, sizeof word) &&
        value(text, "FDNAME", word, sizeof word)) {
        for (int i = m->n_kept; i-- > 0;)
            if (strcmp(m->kept[i].name, word) == 0)
                drop(m, i, "drop");
        return;
    }
    if (value(text, "MAINPID", word, sizeof word))
        m->main = atoi(word);
    for (char *at = text; *at; at++)
        if (*at == '\n')
            *at = '|';
    printf("message %s\n", text);
}

static void take_end(Manager *m)
{
    int status;
    if (waitpid(m->child, &status, 0) != m->child)
        die("waitpid");
    close(m->pidfd);
    m->pidfd = -1;
    while (poll(&(struct pollfd){.fd = m->socket, .events = POLLIN}, 1, 0) == 1)
        take_message(m); /* of before */
    if (WIFSIGNALED(status))
        printf("signal %d\n", WTERMSIG(status));
    else
        printf("exit %d\n", WEXITSTATUS(status));
}

static bool take_command(Manager *m)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof line - 1);
    if (n <= 0)
        return false;
    line[n] = '\0';
    if (strcmp(line, "start\n") == 0)
        start(m);
    else if (strcmp(line, "stop\n") == 0)
        kill(m->main, SIGTERM);
    return true;
}

static bool once(Manager *m)
{
    struct pollfd fds[3 + MAX] = {
        {m->socket, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}, {m->pidfd, POLLIN, 0}};
    int watched = m->n_kept;
    for (int i = 0; i < watched; i++)
        fds[3 + i] = (struct pollfd){m->kept[i].watched ? m->kept[i].fd : -1, 0, 0};
    fflush(stdout);
    if (poll(fds, 3 + (nfds_t)watched, -1) < 0)
        return errno == EINTR;
    for (int i = watched; i-- > 0;)
        if (fds[3 + i].revents)
            drop(m, i, "lost");
    if (fds[0].revents)
        take_message(m);
    if (m->pidfd >= 0 && fds[2].revents)
        take_end(m);
    return !fds[1].revents || take_command(m);
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (argc < 4 || strlen(argv[1]) >= sizeof address.sun_path)
        return 2;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
    Manager m = {.path = argv[1], .watchdog = argv[2], .argv = argv + 3, .pidfd = -1};
    m.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    unlink(argv[1]);
    if (m.socket < 0 || bind(m.socket, (struct sockaddr *)&address, sizeof address) != 0)
        die("socket");
    chmod(argv[1], 0666);
    while (once(&m))
        ;
    fflush(stdout);
    return 0;
}
