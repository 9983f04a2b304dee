#include "base/clock.h"
#include "deadline.h"
#include "subcommand.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* How often the mount is asked what has come of it. */
#define ASK_US 10000

#define DEFAULT_TIMEOUT "30s"

static const char *outcome_of(JsonObject *answer)
{
    return json_object_get_string_member_with_default(answer, "outcome", "");
}

static Status print(const Target *target, JsonObject *answer, bool json)
{
    if (json) {
        record_print_object(answer);
        return STATUS_DONE;
    }
    printf("%s: version %s (layout %" G_GINT64_FORMAT ") has taken over from version %s (layout "
           "%" G_GINT64_FORMAT ") in %.1f ms\n",
           target->path, json_object_get_string_member(answer, "new_version"),
           record_int(answer, "new_layout"), json_object_get_string_member(answer, "old_version"),
           record_int(answer, "old_layout"), (double)record_int(answer, "took_us") / 1000);
    return STATUS_DONE;
}

static Status explain_error(const Target *target, int error)
{
    if (error == -EPERM || error == -EACCES)
        return status_fail(STATUS_DENIED, target->path,
                           "not permitted: it takes root or the owner of the mount");
    if (error == -EOPNOTSUPP)
        return status_fail(STATUS_FAILED, target->path,
                           "this daemon has no keeper, whose place another program could take");
    return status_fail(STATUS_FAILED, target->path, "%s", g_strerror(-error));
}

/* The worker that was asked has been replaced before its answer could be read. */
static bool is_of_the_dead(int error)
{
    return error == -EBADF || error == -ESTALE || error == -EIO || error == -EPROTO;
}

static Status wait_for_outcome(const Target *target, const char *number, int64_t deadline,
                               bool json)
{
    const char *words[] = {"upgrade", number, NULL};
    for (;;) {
        g_autoptr(JsonObject) answer = NULL;
        int r = target_command(target, words, &answer);
        if (r < 0 && !is_of_the_dead(r))
            return explain_error(target, r);
        const char *outcome = r < 0 ? "" : outcome_of(answer);
        if (strcmp(outcome, "done") == 0)
            return print(target, answer, json);
        if (strcmp(outcome, "refused") == 0)
            return status_fail(STATUS_FAILED, target->path,
                               "the installed program does not take over, nothing has changed: %s",
                               json_object_get_string_member(answer, "problem"));
        if (clock_boot_ns() > deadline)
            return status_fail(STATUS_HELD, target->path,
                               "no outcome yet; the log of the daemon will say it");
        g_usleep(ASK_US);
    }
}

/* *number: of the attempt, which is the one after the last. */
static Status ask(const Target *target, char **number)
{
    const char *last[] = {"upgrade", "1", NULL}, *words[] = {"upgrade", NULL};
    g_autoptr(JsonObject) answer = NULL;
    int r = target_command(target, last, &answer);
    if (r < 0)
        return explain_error(target, r);
    gint64 before = strcmp(outcome_of(answer), "none") == 0 ? 0 : record_int(answer, "number");
    r = target_command(target, words, NULL);
    if (r < 0 && !is_of_the_dead(r))
        return explain_error(target, r);
    *number = g_strdup_printf("%" G_GINT64_FORMAT, before + 1);
    return STATUS_DONE;
}

Status upgrade_run(int argc, char **argv)
{
    gboolean json = FALSE;
    g_autofree char *timeout = NULL, *number = NULL;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an object", NULL},
        {"timeout", 't', 0, G_OPTION_ARG_STRING, &timeout,
         "wait no longer than this for the outcome, " DEFAULT_TIMEOUT " without it", "TIME"},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    int64_t deadline = 0;
    Status status = subcommand_parse(
        &argc, &argv, entries, "DIR",
        "The installed program takes the place of the one that serves DIR; the mount stays.",
        "If it cannot read the state of the running one, it says why, and nothing changes.", 1, 1);
    if (status == STATUS_DONE)
        status = deadline_parse(timeout ? timeout : DEFAULT_TIMEOUT, &deadline);
    if (status == STATUS_DONE)
        status = target_open_dir(argv[1], &target);
    if (status == STATUS_DONE)
        status = ask(&target, &number);
    return status == STATUS_DONE ? wait_for_outcome(&target, number, deadline, json) : status;
}
