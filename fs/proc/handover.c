#include "proc/handover.h"

#include <errno.h>
#include <string.h>

#define MAX_STEPS 64
#define NAME_SIZE 256
#define CMDLINE_SIZE 4096

void handover_done(Handover *who)
{
    pidref_done(&who->ref);
}

bool handover_unproven(int err)
{
    return err == -ESRCH || err == -EAGAIN || err == -EACCES || err == -EPERM || err == -ENOENT;
}

/* Base name of an argument, as a string; of a login shell's "-sh", "sh". */
static bool argument_name(const char *text, size_t len, int n, char *name)
{
    static const char *const prefixes[] = {"--coreutils-prog=", "--coreutils-prog-shebang="};
    const char *arg;
    size_t arg_len;
    if (!proc_text_argument(text, len, n, &arg, &arg_len))
        return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t skip = strlen(prefixes[i]);
        if (arg_len >= skip && memcmp(arg, prefixes[i], skip) == 0) {
            arg += skip;
            arg_len -= skip;
        }
    }
    const char *slash = memrchr(arg, '/', arg_len);
    if (slash) {
        arg_len -= (size_t)(slash + 1 - arg);
        arg = slash + 1;
    }
    if (arg_len && *arg == '-') {
        arg++;
        arg_len--;
    }
    if (arg_len >= NAME_SIZE)
        return false;
    memcpy(name, arg, arg_len);
    name[arg_len] = '\0';
    return true;
}

static int applet_kind(const Proc *proc, const HelperList *helpers, const Handover *who,
                       HelperKind *kind)
{
    char text[CMDLINE_SIZE];
    char name[NAME_SIZE];
    ssize_t len = proc_read_head(proc, who->ref.pid, "cmdline", text, sizeof text);
    if (len < 0)
        return (int)len;
    HelperKind found = HELPER_NONE;
    for (int n = 0; n < 2 && argument_name(text, (size_t)len, n, name); n++) {
        found = helper_list_kind(helpers, name);
        if (found != HELPER_MULTICALL)
            break;
    }
    *kind = found == HELPER_MULTICALL ? HELPER_NONE : found;
    return 0;
}

int handover_kind(const Proc *proc, const HelperList *helpers, const Handover *who,
                  HelperKind *kind)
{
    char name[NAME_SIZE];
    HelperKind found = HELPER_NONE;
    int err = proc_exe_name(proc, who->ref.pid, name, sizeof name);
    if (err == 0)
        found = helper_list_kind(helpers, name);
    else if (err == -EACCES || err == -EPERM) /* set-id programs, seen by an ordinary user */
        found = helper_list_kind(helpers, who->stat.comm);
    else if (err != -ENOENT && err != -ENAMETOOLONG)
        return err;
    if (found == HELPER_MULTICALL)
        return applet_kind(proc, helpers, who, kind);
    *kind = found;
    return 0;
}

static bool same_executable(const Proc *proc, pid_t a, pid_t b)
{
    uint64_t dev[2], ino[2];
    return proc_exe_id(proc, a, &dev[0], &ino[0]) == 0 &&
           proc_exe_id(proc, b, &dev[1], &ino[1]) == 0 && dev[0] == dev[1] && ino[0] == ino[1];
}

static bool same_command_line(const Proc *proc, pid_t a, pid_t b)
{
    char one[CMDLINE_SIZE], two[CMDLINE_SIZE];
    ssize_t n = proc_read_head(proc, a, "cmdline", one, sizeof one);
    return n > 0 && proc_read_head(proc, b, "cmdline", two, sizeof two) == n &&
           memcmp(one, two, (size_t)n) == 0;
}

/* What /proc shows of the memory image to those who may see it, it shows with the executable; to
 * others neither. Then name and command line have to do. */
static bool is_subshell(const Proc *proc, const Handover *child, const Handover *parent)
{
    const ProcStat *c = &child->stat;
    const ProcStat *p = &parent->stat;
    bool same;
    if (c->start_stack != p->start_stack || c->arg_start != p->arg_start ||
        c->env_start != p->env_start)
        return false;
    if (c->start_stack && c->arg_start && c->env_start)
        same = same_executable(proc, child->ref.pid, parent->ref.pid);
    else
        same = strcmp(c->comm, p->comm) == 0 &&
               same_command_line(proc, child->ref.pid, parent->ref.pid);
    return same && pidref_life(&parent->ref) == PIDREF_ALIVE &&
           pidref_life(&child->ref) == PIDREF_ALIVE;
}

int handover_starter(const Proc *proc, const Handover *child, Handover *out)
{
    AUTO_HANDOVER Handover parent = HANDOVER_NONE;
    int err = pidref_open_parent_stat(proc, &child->ref, &parent.ref, &parent.stat);
    if (err)
        return err;
    bool adopted =
        child->stat.session != parent.stat.session && child->stat.session != child->ref.pid;
    if (adopted || parent.stat.kernel_thread || proc_is_machine_init(proc, parent.ref.pid))
        return -ESRCH;
    *out = parent;
    parent.ref = PIDREF_NONE;
    return 0;
}

/* One step up, if `who` hands over: 1, 0, negative errno. */
static int climb_one(const Proc *proc, const Handover *who, HelperKind kind, Handover *out)
{
    if (kind != HELPER_PROGRAM && kind != HELPER_COPIER && kind != HELPER_SHELL)
        return 0;
    AUTO_HANDOVER Handover parent = HANDOVER_NONE;
    int err = handover_starter(proc, who, &parent);
    if (err)
        return err;
    if (kind == HELPER_SHELL && !is_subshell(proc, who, &parent))
        return 0;
    *out = parent;
    parent.ref = PIDREF_NONE;
    return 1;
}

int handover_climb(const Proc *proc, const HelperList *helpers, const Handover *start,
                   HelperKind kind, Handover *out, Handover *below)
{
    AUTO_HANDOVER Handover reached = HANDOVER_NONE;
    AUTO_HANDOVER Handover left = HANDOVER_NONE;
    const Handover *at = start;
    for (int step = 0; step < MAX_STEPS; step++) {
        AUTO_HANDOVER Handover next = HANDOVER_NONE;
        int taken = at == start ? 0 : handover_kind(proc, helpers, at, &kind);
        if (taken == 0)
            taken = climb_one(proc, at, kind, &next);
        if (taken < 0 && !handover_unproven(taken))
            return taken;
        if (taken <= 0)
            break;
        handover_done(&left);
        left = reached;
        reached = next;
        next.ref = PIDREF_NONE;
        at = &reached;
    }
    if (at == start)
        return 0;
    *out = reached;
    *below = left;
    reached.ref = left.ref = PIDREF_NONE;
    return 1;
}
