#include "engine/owner.h"

#include "base/crash-point.h"
#include "base/fd.h"
#include "base/log.h"
#include "engine/life.h"
#include "engine/reaper.h"
#include "proc/exec-watch.h"

#include <string.h>
#include <unistd.h>

/* How many living owners without a claim are remembered; each holds a pidfd. */
#define IDLE_MAX 256

/* How many of those that make claims are asked by a descriptor whether they have exec'ed; the
 * others by path. */
#define EXEC_WATCH_MAX 256

static void idle_unlink(Engine *engine, Owner *owner)
{
    if (!owner->idle)
        return;
    if (owner->idle_prev)
        owner_at(&engine->claims, owner->idle_prev)->idle_next = owner->idle_next;
    else
        engine->idle_first = owner->idle_next;
    if (owner->idle_next)
        owner_at(&engine->claims, owner->idle_next)->idle_prev = owner->idle_prev;
    else
        engine->idle_last = owner->idle_prev;
    owner->idle = false;
    engine->idle_count--;
}

static void idle_link(Engine *engine, Owner *owner)
{
    uint32_t index = owner_index(&engine->claims, owner);
    owner->idle_prev = 0;
    owner->idle_next = engine->idle_first;
    if (engine->idle_first)
        owner_at(&engine->claims, engine->idle_first)->idle_prev = index;
    else
        engine->idle_last = index;
    engine->idle_first = index;
    owner->idle = true;
    engine->idle_count++;
}

void owner_in_use(Engine *engine, Owner *owner)
{
    idle_unlink(engine, owner);
}

static void close_exec_watch(Engine *engine, Owner *owner)
{
    engine->exec_watches -= owner->exec_watch >= 0;
    owner->exec_watch = journal_close(&engine->journal, owner->exec_watch);
}

void owner_close(Engine *engine, Owner *owner)
{
    reaper_unwatch(engine, owner);
    close_exec_watch(engine, owner);
    owner->pidfd = journal_close(&engine->journal, owner->pidfd);
    owner->cgroup_events = journal_close(&engine->journal, owner->cgroup_events);
}

void owner_discard(Engine *engine, Owner *owner)
{
    idle_unlink(engine, owner);
    owner_close(engine, owner);
    owner_remove(&engine->claims, owner);
}

void owner_settle(Engine *engine, Owner *owner)
{
    if (owner->claims || owner->holds)
        return;
    if (owner->dead) {
        owner_discard(engine, owner);
        return;
    }
    idle_unlink(engine, owner);
    idle_link(engine, owner);
    if (engine->idle_count > IDLE_MAX)
        owner_discard(engine, owner_at(&engine->claims, engine->idle_last));
}

void owner_hold(Engine *engine, Owner *owner)
{
    owner->holds++;
    idle_unlink(engine, owner); /* what is idle may be discarded */
}

void owner_unhold(Engine *engine, Owner *owner)
{
    owner->holds--;
    owner_settle(engine, owner);
}

bool owner_found_takes_no_locks(const OwnerFound *found)
{
    return found->caller_kind == HELPER_COPIER || found->caller_kind == HELPER_UNPACKER;
}

static void hold_found(Engine *engine, const OwnerFound *found)
{
    owner_hold(engine, found->owner);
    if (found->heir)
        owner_hold(engine, found->heir);
}

void owner_release_found(Engine *engine, const OwnerFound *found)
{
    owner_unhold(engine, found->owner);
    if (found->heir)
        owner_unhold(engine, found->heir);
}

static OwnerScope scope_of(const Rule *rule)
{
    switch (rule->traits.owner) {
    case RULE_OWNER_PROCESS:
        return OWNER_SCOPE_PROCESS;
    case RULE_OWNER_PARENT:
        return OWNER_SCOPE_PARENT;
    case RULE_OWNER_SESSION:
        return OWNER_SCOPE_SESSION;
    case RULE_OWNER_CONTAINER:
        return OWNER_SCOPE_CONTAINER;
    case RULE_OWNER_CGROUP:
        return OWNER_SCOPE_CGROUP;
    }
    return OWNER_SCOPE_PROCESS;
}

static bool runs_the_same(Engine *engine, const Owner *owner)
{
    uint64_t dev, ino;
    if (owner->exec_watch >= 0 && exec_watch_unchanged(owner->exec_watch))
        return true;
    return proc_exe_id(engine->proc, owner->pid, &dev, &ino) == 0 && dev == owner->exe_dev &&
           ino == owner->exe_ino;
}

/* Remembers that this process hands over to nobody, for as long as it runs this program. */
static void note_plain(Engine *engine, Owner *owner, HelperKind kind)
{
    owner->kind = (uint8_t)kind;
    close_exec_watch(engine, owner);
    if (engine->exec_watches < EXEC_WATCH_MAX) {
        owner->exec_watch = exec_watch_open(engine->proc, owner->pid);
        engine->exec_watches += owner->exec_watch >= 0;
    }
    owner->plain = proc_exe_id(engine->proc, owner->pid, &owner->exe_dev, &owner->exe_ino) == 0;
}

/* The caller's thread is the leader of a process we know, which runs what it ran then. */
static Owner *known_plain(Engine *engine, pid_t tid)
{
    Owner *owner = owner_find(&engine->claims, tid, OWNER_SCOPE_PROCESS, 0);
    if (!owner || !owner->plain || life_owner_is_dead(engine, owner))
        return NULL;
    return runs_the_same(engine, owner) ? owner : NULL;
}

static bool same_process(const Owner *owner, const Pidref *ref)
{
    return owner->pid == ref->pid && owner->start_time == ref->start_time &&
           owner->inode == ref->inode;
}

/* The record for a process, made if it is new; takes what it keeps out of *ref and *cgroup_events.
 */
static Owner *owner_obtain(Engine *engine, Pidref *ref, OwnerScope scope, int *cgroup_events,
                           uint64_t cgroup_id, const char *comm, uid_t uid)
{
    Owner *owner = owner_find(&engine->claims, ref->pid, (uint8_t)scope, cgroup_id);
    if (owner && same_process(owner, ref) && !life_owner_is_dead(engine, owner))
        return owner;
    Owner fields = {
        .pid = ref->pid,
        .start_time = ref->start_time,
        .inode = ref->inode,
        .pidfd = ref->fd,
        .cgroup_events = cgroup_events ? *cgroup_events : -1,
        .cgroup_id = cgroup_id,
        .exec_watch = -1,
        .uid = uid,
        .scope = (uint8_t)scope,
    };
    g_strlcpy(fields.comm, comm, sizeof fields.comm);
    owner = owner_add(&engine->claims, &fields);
    if (!owner)
        return NULL;
    ref->fd = -1;
    if (cgroup_events)
        *cgroup_events = -1;
    CRASH_POINT("owner-added");
    if (reaper_watch(engine, owner) < 0) {
        owner_discard(engine, owner);
        return NULL;
    }
    return owner;
}

static int from_identity(Engine *engine, Identity *id, OwnerScope scope, OwnerFound *found)
{
    bool cgroup = id->cgroup_events >= 0;
    OwnerScope kept = scope == OWNER_SCOPE_PARENT || id->reason == OWNER_SCOPE_FELL_BACK
                          ? OWNER_SCOPE_PROCESS
                          : scope;
    bool others = id->caller.pid != id->owner.pid && !cgroup;
    OwnerFound out = {
        .caller_pid = id->caller.pid,
        .reason = (uint8_t)id->reason,
        .caller_kind = (uint8_t)id->caller_kind,
    };
    g_strlcpy(out.caller_comm, id->caller_comm, sizeof out.caller_comm);
    out.owner = owner_obtain(engine, &id->owner, kept, cgroup ? &id->cgroup_events : NULL,
                             id->cgroup_id, id->owner_comm, id->owner_uid);
    if (!out.owner)
        return -ENOMEM;
    if (others && id->reason == OWNER_VIA_HELPER) {
        bool between = id->below.fd >= 0;
        out.heir = owner_obtain(engine, between ? &id->below : &id->caller, OWNER_SCOPE_PROCESS,
                                NULL, 0, between ? id->below_comm : id->caller_comm, id->owner_uid);
        if (!out.heir) {
            owner_settle(engine, out.owner);
            return -ENOMEM;
        }
    }
    if (id->reason == OWNER_IS_CALLER && kept == OWNER_SCOPE_PROCESS)
        note_plain(engine, out.owner, id->caller_kind);
    *found = out;
    return 0;
}

static void explain_refusal(Engine *engine, const Caller *caller, int error)
{
    LogLimit *limit = &engine->refusals;
    if (error == -ESRCH)
        log_limited(limit,
                    "exclusive create refused (ENOLCK): the caller, uid %u, has no process id "
                    "in the pid namespace of this daemon; run lockfs outside the container",
                    caller->uid);
    else if (error == -EPERM)
        log_limited(limit,
                    "exclusive create refused (ENOLCK): thread %d belongs to the kernel and "
                    "cannot own a lock",
                    caller->tid);
    else
        log_limited(limit, "exclusive create refused (ENOLCK): cannot identify thread %d: %s",
                    caller->tid, strerror(-error));
}

static bool discard_idle(Engine *engine)
{
    bool any = engine->idle_count > 0;
    while (engine->idle_count)
        owner_discard(engine, owner_at(&engine->claims, engine->idle_last));
    return any;
}

/* Owners leave some descriptors free, too: their own releases need them. */
static int identify(Engine *engine, const Caller *caller, OwnerScope scope, Identity *id)
{
    int r;
    do {
        WITH_DESCRIPTORS(&engine->store, r,
                         identity_resolve(engine->proc, engine->helpers, caller->tid, scope, id));
        if (r == 0 && MAX(id->owner.fd, id->caller.fd) >= engine->store.fd_room) {
            identity_done(id);
            r = -EMFILE;
        }
    } while (r == -EMFILE && discard_idle(engine));
    return r;
}

int owner_identify(Engine *engine, const Caller *caller, OwnerScope scope, OwnerFound *found)
{
    Owner *known = scope == OWNER_SCOPE_PROCESS ? known_plain(engine, caller->tid) : NULL;
    if (known) {
        *found = (OwnerFound){
            .owner = known,
            .caller_pid = known->pid,
            .reason = OWNER_IS_CALLER,
            .caller_kind = known->kind,
        };
        memcpy(found->caller_comm, known->comm, sizeof found->caller_comm);
        hold_found(engine, found);
        return 0;
    }
    Identity id = IDENTITY_NONE;
    creds_as_daemon(engine->store.creds);
    int r = identify(engine, caller, scope, &id);
    if (r < 0)
        return r;
    r = from_identity(engine, &id, scope, found);
    identity_done(&id);
    if (r == 0)
        hold_found(engine, found);
    return r;
}

int owner_resolve(Engine *engine, const Caller *caller, const Rule *rule, OwnerFound *found)
{
    int r = owner_identify(engine, caller, scope_of(rule), found);
    if (r == 0)
        return 0;
    explain_refusal(engine, caller, r);
    return -ENOLCK;
}

int owner_of_pid(Engine *engine, pid_t pid, OwnerFound *found)
{
    AUTO_PIDREF Pidref ref = PIDREF_NONE;
    ProcStat stat;
    uid_t uid = 0;
    creds_as_daemon(engine->store.creds);
    int r = pidref_open_stat(engine->proc, pid, &ref, &stat);
    if (r == 0 && pidref_life(&ref) == PIDREF_DEAD)
        r = -ESRCH;
    if (r == 0)
        r = pidref_uid(engine->proc, &ref, &uid);
    if (r < 0)
        return r;
    OwnerFound out = {.caller_pid = ref.pid, .reason = OWNER_TRANSFERRED};
    g_strlcpy(out.caller_comm, stat.comm, sizeof out.caller_comm);
    out.owner = owner_obtain(engine, &ref, OWNER_SCOPE_PROCESS, NULL, 0, stat.comm, uid);
    if (!out.owner)
        return -ENOMEM;
    *found = out;
    hold_found(engine, found);
    return 0;
}

/* And proven to be that one: its pid is nobody else's while it lives. A cgroup outlives the process
 * that its record names. */
static bool is_process(const Owner *owner)
{
    return owner->pidfd >= 0 && owner->scope != OWNER_SCOPE_CGROUP;
}

static bool is_family_of(Engine *engine, pid_t pid, Owner *owner)
{
    if (life_owner_is_dead(engine, owner))
        return false;
    if (pid == owner->pid && is_process(owner))
        return true;
    Pidref ref = {
        .pid = owner->pid,
        .fd = owner->pidfd,
        .start_time = owner->start_time,
        .inode = owner->inode,
    };
    int r;
    WITH_DESCRIPTORS(
        &engine->store, r,
        identity_is_family(engine->proc, pid, &ref, (OwnerScope)owner->scope, owner->cgroup_id));
    return r == 1;
}

/* A living owner's pid is nobody else's, so a thread of that number is its first one. */
static bool is_first_thread(Engine *engine, const Caller *caller, Owner *owner)
{
    return caller->tid == owner->pid && is_process(owner) && !life_owner_is_dead(engine, owner);
}

static int caller_process(Engine *engine, const Caller *caller, pid_t *pid)
{
    int r;
    creds_as_daemon(engine->store.creds);
    WITH_DESCRIPTORS(&engine->store, r, proc_thread_group(engine->proc, caller->tid, pid));
    return r;
}

bool owner_is_family_of(Engine *engine, const Caller *caller, Owner *owner)
{
    pid_t pid;
    if (is_first_thread(engine, caller, owner))
        return true;
    return caller_process(engine, caller, &pid) == 0 && is_family_of(engine, pid, owner);
}

bool owner_is_family(Engine *engine, const Caller *caller, const Claim *claim)
{
    if (owner_is_family_of(engine, caller, owner_at(&engine->claims, claim->owner)))
        return true;
    return claim->heir &&
           owner_is_family_of(engine, caller, owner_at(&engine->claims, claim->heir));
}

void owner_prove(Engine *engine, Owner *owner)
{
    AUTO_PROOF Proof proof = PROOF_NONE;
    creds_as_daemon(engine->store.creds);
    proof_of_owner(engine->proc, owner, &proof);
    if (proof.life == PIDREF_UNKNOWN)
        return;
    owner->dead = proof.life == PIDREF_DEAD;
    owner->pidfd = fd_take(&proof.ref.fd);
    owner->cgroup_events = fd_take(&proof.cgroup_events);
}

void owner_recover(Engine *engine, Owner *owner)
{
    engine->exec_watches += owner->exec_watch >= 0;
    bool watchable = owner->pidfd >= 0 || owner->cgroup_events >= 0;
    if (watchable && reaper_watch(engine, owner) < 0)
        log_warning("cannot watch pid %d for its death: its locks go when somebody looks",
                    owner->pid);
    if (owner->dead && owner->claims)
        reaper_look_again(engine, owner_index(&engine->claims, owner));
    owner_settle(engine, owner);
}

Owner *owner_add_dead(Engine *engine, const Owner *fields)
{
    Owner dead = *fields;
    dead.pidfd = dead.cgroup_events = dead.exec_watch = -1;
    dead.dead = true;
    return owner_add(&engine->claims, &dead);
}

Owner *owner_adopt(Engine *engine, const Owner *was, Proof *proof, uint8_t presumed)
{
    if (proof->life != PIDREF_DEAD)
        return owner_obtain(engine, &proof->ref, (OwnerScope)was->scope, &proof->cgroup_events,
                            was->cgroup_id, was->comm, was->uid);
    Owner fields = {
        .pid = was->pid,
        .start_time = was->start_time,
        .inode = was->inode,
        .uid = was->uid,
        .scope = was->scope,
        .presumed = presumed,
    };
    memcpy(fields.comm, was->comm, sizeof fields.comm);
    return owner_add_dead(engine, &fields);
}
