#include "control/viewer.h"

#include "wire/json-out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_MS 1000000

const char *viewer_kind(ClaimKind kind)
{
    static const char *const names[] = {"dir", "file", "symlink", "link", "node"};
    return names[kind];
}

const char *viewer_takeover(TakeoverCause cause)
{
    static const char *const names[] = {"signalled", "hung", "replaced"};
    return names[cause];
}

static const char *scope_name(uint8_t scope)
{
    static const char *const names[] = {"process", "parent", "session", "container", "cgroup"};
    return scope < G_N_ELEMENTS(names) ? names[scope] : "process";
}

static const char *reason_name(OwnerReason reason)
{
    switch (reason) {
    case OWNER_IS_CALLER:
        return "it called";
    case OWNER_VIA_HELPER:
        return "it started the helper that called";
    case OWNER_VIA_SCOPE:
        return "the rule names it as the owner";
    case OWNER_SCOPE_FELL_BACK:
        return "the owner that the rule names could not be proven";
    case OWNER_TRANSFERRED:
        return "the claim was transferred to it";
    case OWNER_INFERRED:
        return "the entry named it when lockfs was mounted";
    }
    return "it called";
}

Viewer viewer_of(const Proc *proc, const Caller *caller)
{
    Viewer viewer = {.proc = proc, .uid = caller->uid};
    uint64_t ns;
    if (caller->tid > 0 && proc_pid_ns_id(proc, caller->tid, &ns) == 0)
        viewer.pid_ns = ns;
    viewer.hiding = hiding_from(proc, caller->tid, caller->uid, caller->gid);
    return viewer;
}

static Hiding hiding_of(const Viewer *viewer, uid_t uid)
{
    return uid == viewer->uid ? HIDING_NOTHING : viewer->hiding;
}

static void add_pid(GString *out, const char *key, pid_t pid)
{
    if (pid)
        json_out_int(out, key, pid);
    else
        json_out_string(out, key, NULL);
}

void viewer_process(const Viewer *viewer, GString *out, pid_t pid, const char *comm, uid_t uid)
{
    Hiding hiding = hiding_of(viewer, uid);
    add_pid(out, "pid", hiding < HIDING_NUMBERS ? pid : 0);
    if (comm)
        json_out_bytes(out, "comm", hiding == HIDING_NOTHING ? comm : NULL);
}

/* What /proc says of a process, if it is still that one. */
typedef struct {
    bool known;
    ProcStatus status;
    pid_t here; /* what the viewer calls it; 0: nothing, it is outside its pid namespace */
    char exe[PATH_MAX];
    char cgroup[PATH_MAX];
} Details;

static pid_t pid_here(const Viewer *viewer, pid_t pid)
{
    ProcStatus status;
    if (viewer->pid_ns == proc_own_pid_ns_id(viewer->proc))
        return pid;
    int level = viewer->pid_ns ? pid_ns_below(viewer->proc, pid, viewer->pid_ns) : -ESRCH;
    if (level < 0 || proc_status(viewer->proc, pid, &status) < 0 || status.ns_depth <= level)
        return 0;
    return status.ns_pids[status.ns_depth - 1 - level];
}

static bool is_still(const Viewer *viewer, pid_t pid, uint64_t start_time)
{
    char text[1024];
    ProcStat stat;
    ssize_t n = proc_read(viewer->proc, pid, "stat", text, sizeof text);
    return n > 0 && proc_text_stat(text, (size_t)n, &stat) && stat.start_time == start_time;
}

/* The link belongs to whom the kernel lets follow it: root's it is where the process is protected.
 */
static void read_exe(const Viewer *viewer, pid_t pid, Details *details)
{
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "%d/exe", pid);
    if (viewer->uid != 0 &&
        (fstatat(proc_dirfd(viewer->proc), path, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
         st.st_uid != viewer->uid))
        return;
    ssize_t n = readlinkat(proc_dirfd(viewer->proc), path, details->exe, sizeof details->exe - 1);
    details->exe[n > 0 ? n : 0] = '\0';
}

static void read_cgroup(const Viewer *viewer, pid_t pid, Details *details)
{
    char text[8192];
    ssize_t n = proc_read(viewer->proc, pid, "cgroup", text, sizeof text);
    if (n > 0)
        proc_text_cgroup(text, (size_t)n, details->cgroup, sizeof details->cgroup);
}

static void read_details(const Viewer *viewer, const SnapshotOwner *owner, Details *details)
{
    details->exe[0] = details->cgroup[0] = '\0';
    details->known = hiding_of(viewer, owner->uid) == HIDING_NOTHING &&
                     proc_status(viewer->proc, owner->pid, &details->status) == 0;
    if (!details->known)
        return;
    details->here = pid_here(viewer, owner->pid);
    if (details->here) {
        read_exe(viewer, owner->pid, details);
        read_cgroup(viewer, owner->pid, details);
    }
    details->known = is_still(viewer, owner->pid, owner->start_time);
}

/* When it started tells one process from the next with its number. */
static void add_start(const Viewer *viewer, GString *out, uint64_t start_time, uid_t uid)
{
    if (hiding_of(viewer, uid) == HIDING_NOTHING)
        json_out_uint(out, "start_time", start_time);
    else
        json_out_string(out, "start_time", NULL);
}

static void add_ns_pids(GString *out, const Details *details)
{
    json_out_begin(out, "ns_pids", '[');
    for (int i = 0; details->known && i < details->status.ns_depth; i++)
        json_out_int(out, NULL, details->status.ns_pids[i]);
    json_out_end(out, ']');
}

static void add_owner(const Viewer *viewer, GString *out, const SnapshotOwner *owner)
{
    Details details;
    read_details(viewer, owner, &details);
    viewer_process(viewer, out, owner->pid, owner->comm, owner->uid);
    add_pid(out, "pid_here", details.known ? details.here : 0);
    json_out_uint(out, "uid", owner->uid);
    add_start(viewer, out, owner->start_time, owner->uid);
    json_out_string(out, "boot_id", proc_boot_id(viewer->proc));
    json_out_bytes(out, "exe", details.known && details.exe[0] ? details.exe : NULL);
    add_ns_pids(out, &details);
    json_out_bytes(out, "cgroup", details.known && details.cgroup[0] ? details.cgroup : NULL);
    json_out_string(out, "scope", scope_name(owner->scope));
    json_out_bool(out, "alive", true);
}

void viewer_owner(const Viewer *viewer, GString *out, const SnapshotOwner *owner)
{
    if (!viewer->owners) {
        add_owner(viewer, out, owner);
        return;
    }
    char key[80];
    snprintf(key, sizeof key, "%d %llu %d %llu", owner->pid, (unsigned long long)owner->start_time,
             owner->scope, (unsigned long long)owner->cgroup_id);
    const char *said = g_hash_table_lookup(viewer->owners, key);
    if (said) {
        g_string_append(out, said);
        return;
    }
    gsize from = out->len;
    add_owner(viewer, out, owner);
    g_hash_table_insert(viewer->owners, g_strdup(key), g_strdup(out->str + from));
}

static void add_waiters(const Viewer *viewer, GString *out, const SnapshotClaim *claim,
                        const GArray *waiters)
{
    json_out_begin(out, "waiters", '[');
    for (guint i = 0; i < waiters->len; i++) {
        const Waiter *waiter = &g_array_index(waiters, Waiter, i);
        if (waiter->token != claim->token || !is_still(viewer, waiter->pid, waiter->start_time))
            continue;
        json_out_begin(out, NULL, '{');
        viewer_process(viewer, out, waiter->pid, waiter->comm, waiter->uid);
        bool told = hiding_of(viewer, waiter->uid) == HIDING_NOTHING;
        add_pid(out, "pid_here", told ? pid_here(viewer, waiter->pid) : 0);
        json_out_uint(out, "uid", waiter->uid);
        json_out_uint(out, "attempts", waiter->attempts);
        json_out_time(out, "first_at", waiter->first_ns);
        json_out_time(out, "last_at", waiter->last_ns);
        json_out_end(out, '}');
    }
    json_out_end(out, ']');
}

static const char *state_name(const SnapshotClaim *claim)
{
    if (claim->unowned)
        return "unowned";
    return claim->state == CLAIM_LINGERING ? "lingering" : "held";
}

static void add_people(const Viewer *viewer, GString *out, const SnapshotClaim *claim)
{
    json_out_begin(out, "owner", '{');
    viewer_owner(viewer, out, &claim->owner);
    json_out_string(out, "why", reason_name(claim->reason));
    json_out_end(out, '}');
    json_out_begin(out, "caller", '{');
    viewer_process(viewer, out, claim->caller_pid, claim->caller_comm, claim->owner.uid);
    json_out_end(out, '}');
}

/* What the entry says of its owner, in its own words, and why that is not enough. */
static void add_evidence(GString *out, const SnapshotClaim *claim)
{
    json_out_string(out, "owner", NULL);
    json_out_string(out, "caller", NULL);
    json_out_begin(out, "evidence", '{');
    json_out_string(out, "why", claim->unowned);
    if (claim->recorded_pid)
        json_out_int(out, "pid", claim->recorded_pid);
    if (claim->recorded_pid && *claim->recorded_host)
        json_out_bytes(out, "host", claim->recorded_host);
    json_out_end(out, '}');
}

void viewer_claim(const Viewer *viewer, GString *out, const SnapshotClaim *claim, int64_t now_ns,
                  const GArray *waiters)
{
    json_out_begin(out, NULL, '{');
    json_out_bytes(out, "path", claim->path);
    json_out_string(out, "kind", viewer_kind(claim->kind));
    json_out_string(out, "state", state_name(claim));
    json_out_uint(out, "token", claim->token);
    json_out_time(out, "acquired_at", claim->acquired_ns);
    json_out_int(out, "held_ms", MAX(now_ns - claim->acquired_ns, 0) / NS_PER_MS);
    json_out_bytes(out, "rule", claim->rule ? claim->rule->pattern : NULL);
    json_out_bytes(out, "rule_origin", claim->rule ? claim->rule->origin : NULL);
    if (claim->unowned)
        add_evidence(out, claim);
    else
        add_people(viewer, out, claim);
    if (waiters)
        add_waiters(viewer, out, claim, waiters);
    json_out_end(out, '}');
}

void viewer_heal(const Viewer *viewer, GString *out, const Heal *heal)
{
    json_out_begin(out, NULL, '{');
    json_out_bytes(out, "path", heal->path);
    json_out_string(out, "kind", viewer_kind((ClaimKind)heal->kind));
    json_out_uint(out, "token", heal->token);
    json_out_time(out, "healed_at", heal->at_ns);
    if (heal->acquired_ns)
        json_out_time(out, "acquired_at", heal->acquired_ns);
    json_out_string(out, "reason", heals_cause_name(heal->cause));
    if (heal->cause == HEAL_SIGNALLED)
        json_out_int(out, "signal", heal->code);
    if (heal->cause == HEAL_EXITED)
        json_out_int(out, "exit_code", heal->code);
    json_out_begin(out, "owner", '{');
    viewer_process(viewer, out, heal->pid, heal->comm, heal->uid);
    add_start(viewer, out, heal->start_time, heal->uid);
    json_out_uint(out, "uid", heal->uid);
    json_out_end(out, '}');
    json_out_bool(out, "kept", heal->kept);
    if (heal->kept)
        json_out_time(out, "kept_until", heal->expires_ns);
    if (heal->kept && heal->bytes >= 0)
        json_out_int(out, "bytes", heal->bytes);
    json_out_end(out, '}');
}

void viewer_rule(GString *out, const char *key, const Rule *rule)
{
    if (!rule) {
        json_out_string(out, key, NULL);
        return;
    }
    json_out_begin(out, key, '{');
    json_out_string(out, "kind", rule->kind == RULE_LOCK ? "lock" : "data");
    json_out_bytes(out, "pattern", rule->pattern);
    json_out_bytes(out, "origin", rule->origin);
    json_out_string(out, "owner", scope_name((uint8_t)rule->traits.owner));
    json_out_string(out, "release", rule->traits.release_anyone ? "anyone" : "owner");
    json_out_string(out, "create", rule->traits.create_any ? "any" : "exclusive");
    json_out_end(out, '}');
}

static void add_endings(GString *out, const ObservedPattern *pattern)
{
    json_out_uint(out, "released", pattern->released);
    json_out_uint(out, "removed_by_others", pattern->removed_by_others);
    json_out_uint(out, "renamed", pattern->renamed);
    json_out_uint(out, "left_by_exited", pattern->left_by_exited);
    json_out_uint(out, "left_by_killed", pattern->left_by_killed);
    json_out_uint(out, "left_by_unknown", pattern->left_by_unknown);
    json_out_uint(out, "removed_later", pattern->removed_later);
    json_out_uint(out, "standing", pattern->standing);
}

/* They are anybody's, and /proc may not tell of them all. */
static void add_programs(const Viewer *viewer, GString *out, const ObservedPattern *pattern)
{
    bool told = viewer->uid == 0 || viewer->hiding == HIDING_NOTHING;
    json_out_begin(out, "programs", '[');
    for (int i = 0; told && i < OBSERVED_PROGRAMS && pattern->programs[i][0]; i++) {
        g_autofree char *program = g_utf8_make_valid(pattern->programs[i], -1);
        json_out_string(out, NULL, program);
    }
    json_out_end(out, ']');
}

void viewer_pattern(const Viewer *viewer, GString *out, const ObservedPattern *pattern)
{
    json_out_begin(out, NULL, '{');
    json_out_bytes(out, "directory", pattern->directory);
    json_out_bytes(out, "name", pattern->name);
    json_out_bytes(out, "example", pattern->example);
    json_out_string(out, "kind", viewer_kind((ClaimKind)pattern->kind));
    json_out_uint(out, "made", pattern->made);
    json_out_uint(out, "names", pattern->names.count);
    json_out_uint(out, "names_again", pattern->names.again);
    json_out_uint(out, "makers", pattern->makers.count);
    add_programs(viewer, out, pattern);
    add_endings(out, pattern);
    json_out_uint(out, "read_by_others", pattern->read_by_others);
    json_out_int(out, "held_ms_max", pattern->held_ns_max / NS_PER_MS);
    json_out_time(out, "first_at", pattern->first_ns);
    json_out_time(out, "last_at", pattern->last_ns);
    viewer_rule(out, "rule", pattern->rule);
    json_out_end(out, '}');
}
