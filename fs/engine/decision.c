#include "engine/decision.h"

#include "engine/entry.h"
#include "engine/reaper.h"

#include <stdio.h>

typedef struct {
    char text[24];
} Number;

static Number number(uint64_t value)
{
    Number number;
    snprintf(number.text, sizeof number.text, "%llu", (unsigned long long)value);
    return number;
}

void decision_tell(LogLevel level, const Decision *decision)
{
    pid_t by = decision->by ? decision->by->tid : 0;
    uid_t by_uid = decision->by ? decision->by->uid : 0;
    Number token = number(decision->token), pid = number((uint64_t)decision->pid);
    Number uid = number(decision->uid), asker = number((uint64_t)by), asker_uid = number(by_uid);
    /* Names are other people's: nothing but printable ASCII, and no quote, goes into a line. */
    g_autofree char *path = g_strescape(decision->path, NULL);
    g_autofree char *comm = g_strescape(decision->comm, NULL);
    const LogField fields[] = {
        {"LOCKFS_EVENT", decision->event},
        {"LOCKFS_PATH", decision->path},
        {"LOCKFS_TOKEN", token.text},
        {"OWNER_PID", pid.text},
        {"OWNER_COMM", decision->comm},
        {"OWNER_UID", uid.text},
        {"BY_PID", asker.text},
        {"BY_UID", asker_uid.text},
        {"LOCKFS_REASON", decision->reason},
    };
    log_with_fields(level, fields, G_N_ELEMENTS(fields),
                    "%s path=\"%s\" token=%s pid=%s comm=\"%s\" uid=%s by=%s by_uid=%s reason=%s",
                    decision->event, path, token.text, pid.text, comm, uid.text, asker.text,
                    asker_uid.text, decision->reason);
}

static void tell_of_claim(Engine *engine, LogLevel level, const char *event, const Claim *claim,
                          const Caller *caller, const char *reason)
{
    const Owner *owner = owner_at(&engine->claims, claim->owner);
    decision_tell(level, &(Decision){
                             .event = event,
                             .reason = reason,
                             .path = entry_path(engine, node_at(&engine->store, claim->dir),
                                                claim_name(&engine->claims, claim)),
                             .token = claim->token,
                             .pid = owner->pid,
                             .comm = owner->comm,
                             .uid = claim->uid,
                             .by = caller,
                         });
}

void decision_log(Engine *engine, LogLimit *limit, const char *event, const Claim *claim,
                  const Caller *caller, const char *reason)
{
    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    if (!limit || log_permits(limit))
        tell_of_claim(engine, LOG_LEVEL_INFO, event, claim, caller, reason);
    else if (limit->dropped == 1)
        reaper_wake(engine); /* it tells of what was left out */
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
    if (log_enabled(LOG_LEVEL_DEBUG))
        tell_of_claim(engine, LOG_LEVEL_DEBUG, event, claim, NULL, "-");
}

int64_t decision_tell_at(const Engine *engine)
{
    int64_t at = log_limit_tell_at(&engine->refusals);
    at = MIN(at, log_limit_tell_at(&engine->heal_lines));
    return MIN(at, log_limit_tell_at(&engine->refuse_lines));
}

void decision_tell_suppressed(Engine *engine)
{
    log_limit_tell(&engine->refusals);
    log_limit_tell(&engine->heal_lines);
    log_limit_tell(&engine->refuse_lines);
}
