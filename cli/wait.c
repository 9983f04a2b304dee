#include "deadline.h"
#include "stream.h"
#include "subcommand.h"

/* The token that follows this one after a transfer, from the events; 0: it was not transferred. */
static gint64 next_token(const char *line, gint64 token)
{
    g_autoptr(JsonObject) event = record_parse(line, -1);
    return event && record_int(event, "old_token") == token ? record_int(event, "token") : 0;
}

static void print_result(const Target *target, const char *result, gint64 token)
{
    g_autoptr(JsonObject) record = json_object_new();
    record_set_bytes(record, "path", target->path);
    json_object_set_string_member(record, "result", result);
    if (token)
        json_object_set_int_member(record, "token", token);
    record_print_object(record);
}

static Status wait_for_end(const Target *target, Stream *stream, gint64 token, int64_t deadline)
{
    for (;;) {
        int error;
        g_autoptr(JsonObject) claim = NULL;
        g_autofree char *line = stream_next(stream, deadline, &error);
        if (!line && error)
            return status_fail(STATUS_FAILED, target->path, "%s", g_strerror(-error));
        if (!line)
            return status_fail(STATUS_HELD, target->path, "still held; timed out");
        gint64 next = next_token(line, token);
        token = next ? next : token;
        Status status = target_claim(target, true, &claim);
        if (status == STATUS_NO_CLAIM)
            return STATUS_DONE;
        if (status != STATUS_DONE)
            return status;
        /* Another claim: the one waited for is gone, unless the news of a transfer is on its way.
         */
        if (record_int(claim, "token") != token && stream->text->len == 0)
            return STATUS_DONE;
    }
}

Status wait_run(int argc, char **argv)
{
    char *timeout = NULL;
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "print an object when it is over", NULL},
        {"timeout", 't', 0, G_OPTION_ARG_STRING, &timeout, "give up after this long (status 5)",
         "TIME"},
        {0},
    };
    AUTO_TARGET Target target = TARGET_NONE;
    AUTO_STREAM Stream stream = STREAM_NONE;
    g_autoptr(JsonObject) claim = NULL;
    int64_t deadline;
    Status status =
        subcommand_parse(&argc, &argv, entries, "PATH",
                         "Returns when the claim is gone, at once if there is none.", NULL, 1, 1);
    g_autofree char *given = timeout;
    if (status == STATUS_DONE)
        status = deadline_parse(given, &deadline);
    if (status == STATUS_DONE)
        status = target_open(argv[1], &target);
    if (status == STATUS_DONE)
        status = stream_open(&target, &stream);
    if (status == STATUS_DONE)
        status = target_claim(&target, true, &claim);
    bool none = status == STATUS_NO_CLAIM;
    gint64 token = status == STATUS_DONE ? record_int(claim, "token") : 0;
    if (status == STATUS_DONE && !record_node(claim, "owner"))
        return status_fail(STATUS_HELD, argv[1],
                           "it was there before lockfs and nobody is known to own it: lockfs-ctl "
                           "show says why, lockfs-ctl break removes it");
    if (status == STATUS_DONE)
        status = wait_for_end(&target, &stream, token, deadline);
    else if (none)
        status = STATUS_DONE;
    if (json && (status == STATUS_DONE || status == STATUS_HELD))
        print_result(&target, none ? "none" : status == STATUS_HELD ? "timed-out" : "gone", token);
    return status;
}
