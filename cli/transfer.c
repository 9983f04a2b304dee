#include "subcommand.h"

#include <errno.h>
#include <stdio.h>

static Status print_claim(const Target *target)
{
    g_autoptr(JsonObject) claim = NULL;
    Status status = target_claim(target, false, &claim);
    if (status == STATUS_DONE)
        record_print_object(claim);
    return status;
}

Status transfer_run(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print the claim as it is then", NULL},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    Status status = subcommand_parse(
        &argc, &argv, entries, "PATH PID",
        "Makes the living process PID the owner of the claim, which gets a new token.",
        "PID is counted as in the pid namespace of whoever calls.", 2, 2);
    if (status != STATUS_DONE)
        return status;
    guint64 pid;
    if (!g_ascii_string_to_unsigned(argv[2], 10, 1, G_MAXINT32, &pid, NULL))
        return status_fail(STATUS_USAGE, NULL, "%s: expected a process id", argv[2]);
    status = target_open(argv[1], &target);
    if (status != STATUS_DONE)
        return status;
    const char *words[] = {"transfer", target.name, argv[2], NULL};
    int r = target_command(&target, words, NULL);
    if (r == -ESRCH)
        return status_fail(STATUS_FAILED, argv[1], "there is no living process %s to own it",
                           argv[2]);
    if (r == -EBUSY)
        return status_fail(STATUS_FAILED, argv[1],
                           "its owner is dead; it stays only for what is claimed inside");
    if (r < 0)
        return target_explain_error(&target, r);
    return json ? print_claim(&target) : STATUS_DONE;
}
