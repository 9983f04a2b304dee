/* Commands about the process itself, and those that run another command in a child or a thread. */
#include "command.h"

#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int wait_for(pid_t pid, int *status)
{
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

static int copy_reply(int fd, FILE *value)
{
    char buf[4096];
    ssize_t n;
    bool any = false;
    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        fwrite(buf, 1, (size_t)n, value);
        any = true;
    }
    close(fd);
    if (!any)
        fputs("GONE", value);
    return COMMAND_ANSWERED;
}

static void reply_and_exit(int argc, char **argv, int out) __attribute__((noreturn));
static void reply_and_exit(int argc, char **argv, int out)
{
    char *reply = command_run(argc - 1, argv + 1);
    dprintf(out, "%s", reply);
    _exit(0);
}

/* `depth` generations below the client; those in between wait for the next. */
static void run_below(int depth, int argc, char **argv, int out) __attribute__((noreturn));
static void run_below(int depth, int argc, char **argv, int out)
{
    for (; depth > 1; depth--) {
        pid_t pid = fork();
        if (pid > 0)
            wait_for(pid, NULL);
        if (pid != 0)
            _exit(0);
    }
    reply_and_exit(argc, argv, out);
}

static int run_in_child(int depth, int argc, char **argv, FILE *value)
{
    int out[2];
    if (pipe2(out, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0)
        run_below(depth, argc, argv, out[1]);
    close(out[1]);
    int result = pid < 0 ? -errno : copy_reply(out[0], value);
    if (pid > 0)
        wait_for(pid, NULL);
    return result;
}

static int do_sub(int argc, char **argv, FILE *value)
{
    return run_in_child(1, argc, argv, value);
}

static int do_subsub(int argc, char **argv, FILE *value)
{
    return run_in_child(2, argc, argv, value);
}

/* The grandchild starts only when its parent has been reaped, so it has another parent by then. */
static int do_orphan(int argc, char **argv, FILE *value)
{
    int out[2], go[2];
    char byte = 0;
    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(go, O_CLOEXEC) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() != 0)
            _exit(0);
        if (read(go[0], &byte, 1) != 1)
            _exit(1);
        reply_and_exit(argc, argv, out[1]);
    }
    close(out[1]);
    close(go[0]);
    wait_for(pid, NULL);
    if (write(go[1], &byte, 1) != 1)
        return -errno;
    close(go[1]);
    return copy_reply(out[0], value);
}

typedef struct {
    int argc;
    char **argv;
    char *reply;
} ThreadCall;

static void *thread_main(void *data)
{
    ThreadCall *call = data;
    call->reply = command_run(call->argc - 1, call->argv + 1);
    return NULL;
}

static int do_thread(int argc, char **argv, FILE *value)
{
    ThreadCall call = {.argc = argc, .argv = argv};
    pthread_t thread;
    int error = pthread_create(&thread, NULL, thread_main, &call);
    if (error)
        return -error;
    pthread_join(thread, NULL);
    fputs(call.reply, value);
    free(call.reply);
    return COMMAND_ANSWERED;
}

static char *with_number(const char *text, long long number)
{
    const char *mark = strstr(text, "{}");
    char *filled = NULL;
    int length = mark ? asprintf(&filled, "%.*s%lld%s", (int)(mark - text), text, number, mark + 2)
                      : asprintf(&filled, "%s", text);
    if (length < 0)
        abort();
    return filled;
}

static int do_times(int argc, char **argv, FILE *value)
{
    long long n = command_number(argv[1]);
    char *words[COMMAND_MAX_WORDS];
    for (long long i = 0; i < n; i++) {
        for (int word = 2; word < argc; word++)
            words[word - 2] = with_number(argv[word], i);
        char *reply = command_run(argc - 2, words);
        bool good = strncmp(reply, "ok", 2) == 0;
        if (!good)
            fprintf(value, "%s at %lld", reply, i);
        free(reply);
        for (int word = 2; word < argc; word++)
            free(words[word - 2]);
        if (!good)
            return COMMAND_ANSWERED;
    }
    return 0;
}

static void become_server(char **argv, bool new_session) __attribute__((noreturn));
static void become_server(char **argv, bool new_session)
{
    if (new_session)
        setsid();
    int in = open(argv[1], O_RDONLY), out = open(argv[2], O_WRONLY);
    if (in < 0 || out < 0)
        _exit(1);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    close(in);
    close(out);
    serve_greet();
    serve_forever();
}

static int do_serve(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    bool detach = strstr(argv[3], "detach"), new_session = strstr(argv[3], "setsid");
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid > 0)
        return detach ? wait_for(pid, NULL) : 0;
    if (detach && fork() != 0)
        _exit(0);
    become_server(argv, new_session);
}

static int do_run(int argc, char **argv, FILE *value)
{
    (void)argc;
    int status;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; fd++)
            dup2(null, fd);
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    int result = wait_for(pid, &status);
    if (result == 0)
        fprintf(value, "%d", status);
    return result;
}

static int do_exec(int argc, char **argv, FILE *value)
{
    (void)argc, (void)argv, (void)value;
    return command_result(execl("/proc/self/exe", "client", "--resumed", (char *)NULL));
}

static int do_become(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    return command_result(execvp(argv[1], argv + 1));
}

/* The leader counts as gone when /proc shows it as a zombie; nothing announces that moment. */
static void *go_on_without_leader(void *data)
{
    pthread_join(*(pthread_t *)data, NULL);
    for (bool gone = false; !gone; sched_yield()) {
        char text[512] = "";
        int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
            _exit(1);
        close(fd);
        const char *state = strrchr(text, ')');
        gone = state && state[2] == 'Z';
    }
    serve_answer("ok");
    serve_forever();
}

static int do_leader_exit(int argc, char **argv, FILE *value)
{
    (void)argc, (void)argv, (void)value;
    pthread_t *leader = malloc(sizeof(*leader));
    if (!leader)
        return -ENOMEM;
    *leader = pthread_self();
    pthread_t thread;
    int error = pthread_create(&thread, NULL, go_on_without_leader, leader);
    if (error) {
        free(leader);
        return -error;
    }
    pthread_exit(NULL);
}

static int do_creds(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    uid_t uid = (uid_t)command_number(argv[1]);
    gid_t gid = (gid_t)command_number(argv[2]), groups[64];
    size_t n = 0;
    char *rest = NULL;
    if (strcmp(argv[3], "-") != 0)
        for (char *g = strtok_r(argv[3], ",", &rest); g && n < 64; g = strtok_r(NULL, ",", &rest))
            groups[n++] = (gid_t)command_number(g);
    if (setgroups(n, groups) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return -errno;
    return 0;
}

static int do_nofile(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    rlim_t n = (rlim_t)command_number(argv[1]);
    return command_result(setrlimit(RLIMIT_NOFILE, &(struct rlimit){n, n}));
}

static int do_umask(int argc, char **argv, FILE *value)
{
    (void)value;
    umask(command_mode(argc, argv, 1, 022));
    return 0;
}

static int do_pid(int argc, char **argv, FILE *value)
{
    (void)argc, (void)argv;
    fprintf(value, "%d", (int)serve_own_pid());
    return 0;
}

static int do_ppid(int argc, char **argv, FILE *value)
{
    (void)argc, (void)argv;
    fprintf(value, "%d", (int)getppid());
    return 0;
}

static int do_setsid(int argc, char **argv, FILE *value)
{
    (void)argc, (void)argv, (void)value;
    return command_result(setsid());
}

static int do_reap(int argc, char **argv, FILE *value)
{
    (void)argc;
    int status;
    int result = wait_for((pid_t)command_number(argv[1]), &status);
    if (result == 0)
        fprintf(value, "%d", status);
    return result;
}

static int do_exit(int argc, char **argv, FILE *value)
{
    (void)argc, (void)value;
    exit((int)command_number(argv[1]));
}

static int do_stop(int argc, char **argv, FILE *value)
{
    (void)argc, (void)argv, (void)value;
    exit(0);
}

static int do_segv(int argc, char **argv, FILE *value)
{
    (void)argc, (void)argv, (void)value;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    return -EFAULT;
}

const Command command_process_table[] = {
    {"sub", 1, -1, do_sub},       {"subsub", 1, -1, do_subsub},
    {"orphan", 1, -1, do_orphan}, {"thread", 1, -1, do_thread},
    {"times", 2, -1, do_times},   {"serve", 3, 3, do_serve},
    {"run", 1, -1, do_run},       {"exec", 0, 0, do_exec},
    {"become", 1, -1, do_become}, {"leader-exit", 0, 0, do_leader_exit},
    {"creds", 3, 3, do_creds},    {"nofile", 1, 1, do_nofile},
    {"umask", 1, 1, do_umask},    {"pid", 0, 0, do_pid},
    {"ppid", 0, 0, do_ppid},      {"setsid", 0, 0, do_setsid},
    {"reap", 1, 1, do_reap},      {"exit", 1, 1, do_exit},
    {"stop", 0, 0, do_stop},      {"segv", 0, 0, do_segv},
    {NULL, 0, 0, NULL},
};
