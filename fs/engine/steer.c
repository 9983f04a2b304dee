#include "engine/steer.h"

#include "engine/decision.h"
#include "engine/entry.h"
#include "engine/guard.h"
#include "engine/heals.h"
#include "engine/infer.h"
#include "engine/life.h"
#include "engine/notice.h"
#include "engine/owner.h"
#include "engine/reaper.h"
#include "engine/reserved.h"
#include "engine/snapshot.h"
#include "engine/trash.h"
#include "engine/vacate.h"
#include "proc/pidfd-sys.h"

#include "base/fd.h"

static bool is_master(const Engine *engine, const Caller *caller)
{
    return caller->uid == 0 || caller->uid == engine->store.creds->daemon_uid;
}

/* The living claim of a name, and the right to steer it. */
static int find_claim(Engine *engine, const Caller *caller, uint64_t dir_id, const char *name,
                      Claim **out)
{
    Node *dir = node_by_id(&engine->store, dir_id);
    if (!dir)
        return -ESTALE;
    int r = guard_path(engine, dir);
    if (r < 0)
        return r;
    Claim *claim = life_find(engine, dir, name);
    if (!claim || claim->state == CLAIM_DEAD || claim->state == CLAIM_GHOST)
        return -ENOENT;
    if (!is_master(engine, caller) && caller->uid != claim->uid)
        return -EPERM;
    *out = claim;
    return 0;
}

/* An entry that nobody is known to own becomes a claim to be broken. */
static int find_unowned(Engine *engine, const Caller *caller, uint64_t dir_id, const char *name,
                        Claim **out)
{
    Node *dir = node_by_id(&engine->store, dir_id);
    const Unowned *unowned = dir ? infer_find(engine, dir, name) : NULL;
    if (!unowned)
        return -ENOENT;
    if (!is_master(engine, caller) && caller->uid != unowned->entry.uid)
        return -EPERM;
    *out = infer_take(engine, dir, name);
    return *out ? 0 : -ENOLCK;
}

static int break_claim(Engine *engine, const Caller *caller, Claim *claim, uint64_t token)
{
    const Node *node = node_at(&engine->store, claim->node);
    if (token && token != claim->token)
        return -ESTALE;
    if (engine->options.read_only)
        return -EROFS;
    if (node_is_dir(node) && node->claims_below)
        return -EBUSY;
    claim->broken = true;
    decision_log(engine, NULL, "break", claim, caller, "command");
    notice_send(engine, &(Notice){
                            .kind = NOTICE_BROKEN,
                            .claim = claim,
                            .by_tid = caller->tid,
                            .by_uid = caller->uid,
                        });
    life_set_state(engine, claim, CLAIM_DEAD);
    reaper_take_away(engine, claim);
    return 0;
}

int steer_break(Engine *engine, const Caller *caller, uint64_t dir, const char *name,
                uint64_t token)
{
    Claim *claim = NULL;
    engine_lock(engine);
    int r = find_claim(engine, caller, dir, name, &claim);
    if (r == -ENOENT && token == 0)
        r = find_unowned(engine, caller, dir, name, &claim);
    if (r == 0)
        r = break_claim(engine, caller, claim, token);
    engine_unlock(engine);
    return r;
}

/* The caller's number for a process, as ours. */
static int translate_pid(Engine *engine, const Caller *caller, pid_t pid)
{
    uint64_t ns;
    creds_as_daemon(engine->store.creds);
    int r = proc_pid_ns_id(engine->proc, caller->tid, &ns);
    if (r < 0)
        return r;
    if (ns == proc_own_pid_ns_id(engine->proc))
        return pid;
    AUTO_FD int fd = proc_pid_ns_open(engine->proc, caller->tid);
    return fd < 0 ? fd : pidfd_sys_pid_from_ns(fd, pid);
}

static int transfer_claim(Engine *engine, const Caller *caller, Claim *claim, pid_t pid)
{
    OwnerFound found;
    uint64_t old_token = claim->token;
    if (claim->state != CLAIM_HELD)
        return -EBUSY;
    int r = pid > 0 ? translate_pid(engine, caller, pid) : -ESRCH;
    if (r == 0)
        r = -ESRCH;
    if (r > 0)
        r = owner_of_pid(engine, r, &found);
    if (r < 0)
        return r;
    if (!is_master(engine, caller) && found.owner->uid != caller->uid)
        r = -EPERM;
    if (r == 0) {
        life_transfer(engine, claim, found.owner);
        engine_stats(engine)->transferred++;
        decision_log(engine, NULL, "transfer", claim, caller, "command");
        notice_send(engine, &(Notice){
                                .kind = NOTICE_TRANSFERRED,
                                .claim = claim,
                                .by_tid = caller->tid,
                                .by_uid = caller->uid,
                                .old_token = old_token,
                            });
    }
    owner_release_found(engine, &found);
    return r;
}

int steer_transfer(Engine *engine, const Caller *caller, uint64_t dir, const char *name, pid_t pid)
{
    Claim *claim = NULL;
    engine_lock(engine);
    int r = find_claim(engine, caller, dir, name, &claim);
    if (r == 0)
        r = transfer_claim(engine, caller, claim, pid);
    engine_unlock(engine);
    return r;
}

static bool healed_below(Engine *engine, Node *dir, const HealRecord *heal)
{
    g_autofree char *path = snapshot_path_below(engine, dir, names_get(&engine->names, heal->path));
    return path != NULL;
}

static int restore(Engine *engine, const Caller *caller, uint64_t dir_id, const char *name,
                   uint64_t token)
{
    Node *dir = node_by_id(&engine->store, dir_id);
    const HealRecord *heal = heals_find(engine, token);
    if (!dir)
        return -ESTALE;
    if (!heals_is_kept(heal) || !healed_below(engine, dir, heal))
        return -ENOENT;
    if (!is_master(engine, caller) && heal->uid != caller->uid)
        return -EPERM;
    if (reserved_name(name))
        return -EINVAL;
    int r = guard_alter(engine, caller, dir);
    if (r == 0)
        r = source_access(&engine->store, caller, dir, W_OK | X_OK);
    if (r == 0)
        r = vacate_name(engine, dir, name);
    if (r == 0 && life_find(engine, dir, name))
        r = -EEXIST;
    if (r == 0)
        r = trash_restore(engine, token, dir, name);
    if (r < 0)
        return r;
    absent_clear(&engine->absent, dir_id, name);
    engine_stats(engine)->restored++;
    decision_tell(LOG_LEVEL_INFO, &(Decision){
                                      .event = "restore",
                                      .reason = "command",
                                      .path = entry_path(engine, dir, name),
                                      .token = token,
                                      .pid = heal->pid,
                                      .comm = heal->comm,
                                      .uid = heal->uid,
                                      .by = caller,
                                  });
    return 0;
}

int steer_restore(Engine *engine, const Caller *caller, uint64_t dir, const char *name,
                  uint64_t token)
{
    engine_lock(engine);
    int r = restore(engine, caller, dir, name, token);
    engine_unlock(engine);
    return r;
}

int steer_explain(Engine *engine, const Caller *caller, uint64_t dir_id, const char *name,
                  bool is_dir, Explanation *out)
{
    engine_lock(engine);
    Node *dir = node_by_id(&engine->store, dir_id);
    int r = dir ? guard_path(engine, dir) : -ESTALE;
    if (r == 0) {
        struct stat st;
        RuleTarget target = is_dir ? RULE_TARGET_DIR : RULE_TARGET_OTHER;
        const Claim *claim = life_find(engine, dir, name);
        Explanation found = {.rules = g_ptr_array_new()};
        found.held = claim && (claim->state == CLAIM_HELD || claim->state == CLAIM_LINGERING);
        found.exists = found.held || (!claim && !reserved_name(name) &&
                                      source_stat_at(&engine->store, dir, name, &st) == 0);
        const Unowned *unowned = found.exists ? infer_find(engine, dir, name) : NULL;
        found.unowned = unowned ? inference_text(unowned->reason) : NULL;
        entry_explain(engine, dir, name, target, found.rules);
        if (found.rules->len)
            found.rule = g_ptr_array_index(found.rules, found.rules->len - 1);
        *out = found;
    }
    engine_unlock(engine);
    return r;
}
