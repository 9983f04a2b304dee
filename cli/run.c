#include "deadline.h"
#include "stream.h"
#include "subcommand.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    int conflict; /* exit status when the lock is not to be had */
    int64_t deadline;
} RunOptions;

static Status check_rule(const Target *target)
{
    g_autoptr(JsonObject) answer = NULL;
    const char *words[] = {"explain", target->name, "dir", NULL};
    int r = target_command(target, words, &answer);
    if (r < 0)
        return target_explain_error(target, r);
    g_autofree char *result = record_bytes(answer, "result");
    if (strcmp(result, "lock") != 0)
        return status_fail(STATUS_FAILED, target->path,
                           "this name is no lock here, so it would stay behind; lockfs-ctl "
                           "explain says why");
    return STATUS_DONE;
}

/* What stands there is nobody's claim, so no event will tell of its end. */
static bool is_claimed(const Target *target)
{
    g_autoptr(JsonObject) claim = NULL;
    return target_claim(target, true, &claim) == STATUS_DONE && record_node(claim, "owner");
}

static int take(const Target *target, const RunOptions *options)
{
    AUTO_STREAM Stream stream = STREAM_NONE;
    Status status = stream_open(target, &stream);
    while (status == STATUS_DONE) {
        int error = 0;
        if (mkdir(target->path, 0777) == 0)
            return STATUS_DONE;
        if (errno != EEXIST)
            return status_fail(errno == EACCES ? STATUS_DENIED : STATUS_FAILED, target->path,
                               "cannot take the lock: %s", g_strerror(errno));
        if (!is_claimed(target) && mkdir(target->path, 0777) == 0)
            return STATUS_DONE;
        if (errno == EEXIST && !is_claimed(target))
            return status_fail(options->conflict, target->path,
                               "exists and is nobody's claim; remove it if it is not needed");
        if (stream_wait(&stream, options->deadline, &error))
            continue;
        if (error)
            return status_fail(STATUS_FAILED, target->path, "%s", g_strerror(-error));
        return status_fail(options->conflict, target->path,
                           "held by someone else; lockfs-ctl show says by whom");
    }
    return status;
}

static Status execute(const Target *target, char **command)
{
    execvp(command[0], command);
    int error = errno;
    rmdir(target->path);
    status_fail(STATUS_FAILED, command[0], "cannot be run: %s", g_strerror(error));
    return error == ENOENT ? 127 : 126;
}

Status run_run(int argc, char **argv)
{
    char *timeout = NULL;
    RunOptions options = {.conflict = STATUS_HELD};
    const GOptionEntry entries[] = {
        {"timeout", 't', 0, G_OPTION_ARG_STRING, &timeout, "give up after this long; 0: at once",
         "TIME"},
        {"conflict-exit-code", 'E', 0, G_OPTION_ARG_INT, &options.conflict,
         "exit status when the lock is not to be had (5)", "N"},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    Status status =
        subcommand_parse(&argc, &argv, entries, "PATH -- CMD [ARG...]",
                         "Takes the lock PATH, runs CMD in its place, and the lock ends with CMD.",
                         "The exit status is that of CMD.", 2, -1);
    g_autofree char *given = timeout;
    if (status == STATUS_DONE)
        status = deadline_parse(given, &options.deadline);
    if (status == STATUS_DONE)
        status = target_open(argv[1], &target);
    if (status == STATUS_DONE)
        status = check_rule(&target);
    if (status != STATUS_DONE)
        return status;
    char **command = argv + 2 + (strcmp(argv[2], "--") == 0);
    if (!*command)
        return status_fail(STATUS_USAGE, NULL, "expected: lockfs-ctl run PATH -- CMD [ARG...]");
    status = (Status)take(&target, &options);
    return status == STATUS_DONE ? execute(&target, command) : status;
}
