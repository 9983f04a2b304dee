#include "base/fd.h"
#include "quote.h"
#include "subcommand.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void describe(const char *path, JsonObject *claim)
{
    g_autofree char *shown = quote_name(path);
    g_autofree char *process = table_process(json_object_get_object_member(claim, "owner"));
    g_autofree char *held = table_duration(claim, "held_ms");
    g_autofree char *why = record_bytes(claim, "evidence.why");
    if (*why) {
        fprintf(stderr, "%s is held by nobody who is known: %s\n", shown, why);
        return;
    }
    fprintf(stderr, "%s is held by process %s, uid %" G_GINT64_FORMAT ", for %s; %u waiting\n",
            shown, process, record_int(claim, "owner.uid"), held, record_waiters(claim));
}

static Status ask(const char *path, gboolean with_kill)
{
    char answer[16];
    if (!isatty(STDIN_FILENO))
        return status_fail(STATUS_USAGE, path, "nobody to ask; say --yes to break it");
    fprintf(stderr, "%s [y/N] ", with_kill ? "Kill its owner and break it?" : "Break it?");
    if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
        return STATUS_DONE;
    return status_fail(STATUS_FAILED, path, "left as it is");
}

/* The start time of a process, as ticks since boot; 0: not to be found out. */
static guint64 start_time_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
    g_autofree char *text = NULL;
    const char *at = g_file_get_contents(path, &text, NULL, NULL) ? strrchr(text, ')') : NULL;
    /* Field 22; what follows the command's name is field 3. */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? g_ascii_strtoull(at + 1, NULL, 10) : 0;
}

/* Ends the owner and waits for its death; by descriptor, so it can be nobody else. */
static Status kill_owner(const char *path, JsonObject *claim)
{
    pid_t pid = (pid_t)record_int(claim, "owner.pid_here");
    if (!record_node(claim, "owner"))
        return status_fail(STATUS_FAILED, path, "nobody owns it; break it without --kill");
    if (pid <= 0)
        return status_fail(STATUS_FAILED, path,
                           "its owner cannot be seen from this container; kill it from outside");
    AUTO_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 && errno == ESRCH)
        return STATUS_DONE;
    if (fd < 0)
        return status_fail(STATUS_FAILED, path, "cannot open process %d: %s", pid,
                           g_strerror(errno));
    if (start_time_of(pid) != (guint64)record_int(claim, "owner.start_time"))
        return STATUS_DONE; /* it is gone, and somebody else has its number */
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) != 0 && errno != ESRCH)
        return status_fail(errno == EPERM ? STATUS_DENIED : STATUS_FAILED, path,
                           "cannot kill process %d: %s", pid, g_strerror(errno));
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (poll(&poll_fd, 1, -1) < 0 && errno == EINTR)
        ;
    return STATUS_DONE;
}

static Status break_it(const Target *target, JsonObject *claim, gboolean killed)
{
    g_autofree char *token = g_strdup_printf("%" G_GINT64_FORMAT, record_int(claim, "token"));
    const char *words[] = {"break", target->name, strcmp(token, "0") == 0 ? NULL : token, NULL};
    int r = target_command(target, words, NULL);
    if (r < 0 && !(killed && (r == -ENOENT || r == -ESTALE)))
        return target_explain_error(target, r);
    g_autofree char *shown = quote_name(target->path);
    fprintf(stderr, "%s is broken\n", shown);
    return STATUS_DONE;
}

Status break_run(int argc, char **argv)
{
    gboolean yes = FALSE, with_kill = FALSE, json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print the claim as it was", NULL},
        {"yes", 'y', 0, G_OPTION_ARG_NONE, &yes, "do not ask", NULL},
        {"kill", 'k', 0, G_OPTION_ARG_NONE, &with_kill,
         "kill the owner first and wait for its death", NULL},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    g_autoptr(JsonObject) claim = NULL;
    Status status = subcommand_parse(
        &argc, &argv, entries, "PATH",
        "Removes a live claim. Its owner goes on, and believes that it has the lock.",
        "What a broken entry held can be had back: lockfs-ctl healed.", 1, 1);
    if (status == STATUS_DONE)
        status = target_open(argv[1], &target);
    if (status == STATUS_DONE)
        status = target_claim(&target, false, &claim);
    if (status != STATUS_DONE)
        return status;
    describe(argv[1], claim);
    if (!yes)
        status = ask(argv[1], with_kill);
    if (status == STATUS_DONE && with_kill)
        status = kill_owner(argv[1], claim);
    if (status == STATUS_DONE)
        status = break_it(&target, claim, with_kill);
    if (status == STATUS_DONE && json)
        record_print_object(claim);
    return status;
}
