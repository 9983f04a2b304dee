#include "engine/decision.h"

#include "engine/entry.h"

static char *line_of(Engine *engine, const char *event, const Claim *claim, const Caller *caller,
                     const char *reason)
{
    const Owner *owner = owner_at(&engine->claims, claim->owner);
    /* Names are other people's: nothing but printable ASCII, and no quote, goes into a field. */
    g_autofree char *comm = g_strescape(owner->comm, NULL);
    g_autofree char *path = g_strescape(
        entry_path(engine, node_at(&engine->store, claim->dir), claim_name(&engine->claims, claim)),
        NULL);
    return g_strdup_printf("%s path=\"%s\" token=%" G_GUINT64_FORMAT
                           " pid=%d comm=\"%s\" uid=%u by=%d by_uid=%u reason=%s",
                           event, path, (guint64)claim->token, owner->pid, comm, claim->uid,
                           caller ? caller->tid : 0, caller ? caller->uid : 0, reason);
}

void decision_log(Engine *engine, LogLimit *limit, const char *event, const Claim *claim,
                  const Caller *caller, const char *reason)
{
    if (!log_enabled(LOG_LEVEL_INFO) || (limit && !log_permits(limit)))
        return;
    g_autofree char *line = line_of(engine, event, claim, caller, reason);
    log_info("%s", line);
}

void decision_unowned(Engine *engine, const char *path, pid_t pid, uid_t uid, const char *reason)
{
    if (!log_enabled(LOG_LEVEL_INFO) || !log_permits(&engine->unowned_lines))
        return;
    g_autofree char *shown = g_strescape(path, NULL);
    log_info("unowned path=\"%s\" token=0 pid=%d comm=\"\" uid=%u by=0 by_uid=0 reason=\"%s\"",
             shown, pid, uid, reason);
}

void decision_debug(Engine *engine, const char *event, const Claim *claim)
{
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    g_autofree char *line = line_of(engine, event, claim, NULL, "-");
    log_debug("%s", line);
}
