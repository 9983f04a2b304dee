#include "control/handle.h"

#include "engine/steer.h"
#include "wire/command.h"
#include "wire/json-out.h"

#include <errno.h>
#include <string.h>

/* What is written into `control`. See wire/command.h for the commands. */

typedef struct {
    Control *control;
    const Caller *caller;
    ControlHandle *handle;
    char *const *words; /* words[0] is the verb */
    int count;
} Steering;

static bool parse_number(const char *word, uint64_t max, uint64_t *number)
{
    guint64 value;
    if (!g_ascii_string_to_unsigned(word, 10, 1, max, &value, NULL))
        return false;
    *number = value;
    return true;
}

static int run_show(const Steering *s)
{
    Snapshot snapshot;
    int r = snapshot_take_one(s->control->engine, s->handle->dir, s->words[1], &snapshot);
    if (r < 0)
        return r;
    creds_as_daemon(&s->control->engine->serving_creds);
    viewer_claim(&s->handle->viewer, s->handle->text,
                 &g_array_index(snapshot.claims, SnapshotClaim, 0), snapshot.now_ns,
                 snapshot.waiters);
    g_string_append_c(s->handle->text, '\n');
    snapshot_done(&snapshot);
    return 0;
}

/* pid null: it has none in the daemon's pid namespace, and so cannot own. */
static int run_whoami(const Steering *s)
{
    const Proc *proc = s->control->engine->proc;
    GString *out = s->handle->text;
    pid_t pid;
    creds_as_daemon(&s->control->engine->serving_creds);
    if (proc_thread_group(proc, s->caller->tid, &pid) < 0)
        pid = 0;
    json_out_begin(out, NULL, '{');
    viewer_process(&s->handle->viewer, out, pid, NULL, s->caller->uid);
    json_out_uint(out, "uid", s->caller->uid);
    json_out_end(out, '}');
    g_string_append_c(out, '\n');
    return 0;
}

static int run_explain(const Steering *s)
{
    Explanation found;
    bool is_dir = s->count > 2 && strcmp(s->words[2], "dir") == 0;
    int r =
        steer_explain(s->control->engine, s->caller, s->handle->dir, s->words[1], is_dir, &found);
    if (r < 0)
        return r;
    GString *out = s->handle->text;
    json_out_begin(out, NULL, '{');
    json_out_bytes(out, "name", s->words[1]);
    json_out_string(out, "as", is_dir ? "dir" : "file");
    json_out_string(out, "result", found.rule && found.rule->kind == RULE_LOCK ? "lock" : "data");
    json_out_bool(out, "exists", found.exists);
    json_out_bool(out, "held", found.held);
    if (found.unowned)
        json_out_string(out, "unowned", found.unowned);
    viewer_rule(out, "rule", found.rule);
    json_out_begin(out, "matching", '[');
    for (guint i = 0; i < found.rules->len; i++)
        viewer_rule(out, NULL, g_ptr_array_index(found.rules, i));
    json_out_end(out, ']');
    json_out_end(out, '}');
    g_string_append_c(out, '\n');
    g_ptr_array_unref(found.rules);
    return 0;
}

static int run_break(const Steering *s)
{
    uint64_t token = 0;
    if (s->count > 2 && !parse_number(s->words[2], UINT64_MAX, &token))
        return -EINVAL;
    return steer_break(s->control->engine, s->caller, s->handle->dir, s->words[1], token);
}

static int run_transfer(const Steering *s)
{
    uint64_t pid;
    if (!parse_number(s->words[2], INT32_MAX, &pid))
        return -EINVAL;
    return steer_transfer(s->control->engine, s->caller, s->handle->dir, s->words[1], (pid_t)pid);
}

static int run_restore(const Steering *s)
{
    uint64_t token;
    if (!parse_number(s->words[1], UINT64_MAX, &token))
        return -EINVAL;
    return steer_restore(s->control->engine, s->caller, s->handle->dir, s->words[2], token);
}

static void answer_upgrade(GString *out, const ControlUpgradeResult *result)
{
    static const char *const outcomes[] = {"none", "checking", "refused", "starting", "done"};
    json_out_begin(out, NULL, '{');
    json_out_uint(out, "number", result->number);
    json_out_string(out, "outcome", outcomes[MIN(result->outcome, CONTROL_UPGRADE_DONE)]);
    json_out_bytes(out, "old_version", result->old_version);
    json_out_uint(out, "old_layout", result->old_layout);
    json_out_bytes(out, "new_version", result->new_version);
    json_out_uint(out, "new_layout", result->new_layout);
    json_out_int(out, "took_us", result->took_ns / 1000);
    json_out_bytes(out, "problem", result->problem);
    json_out_end(out, '}');
    g_string_append_c(out, '\n');
}

/* Without a number: asks. With one: what has come of that attempt, or of a later one. */
static int run_upgrade(const Steering *s)
{
    const ControlUpgrade *upgrade = s->control->upgrade;
    ControlUpgradeResult result = {0};
    uint64_t number = 0;
    if (s->caller->uid != 0 && s->caller->uid != s->control->engine->store.creds->daemon_uid)
        return -EPERM;
    if (!upgrade)
        return -EOPNOTSUPP;
    if (s->count > 1 && !parse_number(s->words[1], UINT32_MAX, &number))
        return -EINVAL;
    int r = s->count > 1 ? upgrade->result(upgrade->ctx, &result)
                         : upgrade->ask(upgrade->ctx, &result.number);
    if (r < 0)
        return r;
    if (s->count > 1 && result.number < number)
        result = (ControlUpgradeResult){.number = (uint32_t)number};
    answer_upgrade(s->handle->text, &result);
    return 0;
}

static const struct {
    const char *verb;
    int min, max; /* words after the verb */
    int name;     /* the word that is a name in the directory */
    int (*run)(const Steering *s);
} verbs[] = {
    {"show", 1, 1, 1, run_show},       {"explain", 1, 2, 1, run_explain},
    {"break", 1, 2, 1, run_break},     {"transfer", 2, 2, 1, run_transfer},
    {"restore", 2, 2, 2, run_restore}, {"upgrade", 0, 1, 0, run_upgrade},
    {"restore", 2, 2, 2, run_restore}, {"whoami", 0, 0, 0, run_whoami},
};

static bool is_name(const char *word)
{
    return !strchr(word, '/') && strcmp(word, ".") != 0 && strcmp(word, "..") != 0;
}

int steering_run(Control *control, const Caller *caller, ControlHandle *handle, const char *line,
                 size_t size)
{
    Command command;
    if (!command_parse(line, size, &command))
        return -EINVAL;
    Steering s = {control, caller, handle, command.words, command.count};
    int r = -EINVAL;
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
        int words = command.count - 1;
        if (strcmp(verbs[i].verb, command.words[0]) == 0 && words >= verbs[i].min &&
            words <= verbs[i].max && is_name(command.words[verbs[i].name])) {
            r = strlen(command.words[verbs[i].name]) > 255 ? -ENAMETOOLONG : verbs[i].run(&s);
            break;
        }
    }
    command_clear(&command);
    return r;
}
