/* Who owns what a caller makes: helpers, subshells and wider scopes. */
#include "proc/identity.h"
#include "test-proc-kit.h"

#include <sys/stat.h>

#define AUTO_ID __attribute__((cleanup(identity_done)))

static Identity resolve(const World *w, pid_t tid, OwnerScope scope)
{
    Identity id = IDENTITY_NONE;
    g_assert_cmpint(identity_resolve(w->proc, w->helpers, tid, scope, &id), ==, 0);
    g_assert_cmpint(id.caller.pid, ==, tid);
    return id;
}

static void expect(const World *w, pid_t tid, OwnerScope scope, pid_t owner, OwnerReason reason)
{
    AUTO_ID Identity id = resolve(w, tid, scope);
    g_assert_cmpint(id.owner.pid, ==, owner);
    g_assert_cmpint(id.reason, ==, reason);
    g_assert_cmpint(pidref_life(&id.owner), ==, PIDREF_ALIVE);
    g_assert_cmpint(id.owner.fd, !=, id.caller.fd);
    identity_done(&id);
}

static void test_caller_owns(World *w, gconstpointer unused)
{
    (void)unused;
    g_autofree char *program = world_program(w, "application");
    Actor a = actor_exec((char *[]){program, NULL});
    g_assert_cmpint(actor_hear(&a), ==, a.pid);
    AUTO_ID Identity id = resolve(w, a.pid, OWNER_SCOPE_PROCESS);
    g_assert_true(pidref_same(&id.caller, &id.owner));
    g_assert_cmpint(id.reason, ==, OWNER_IS_CALLER);
    g_assert_cmpstr(id.caller_comm, ==, "application");
    g_assert_cmpstr(id.owner_comm, ==, "application");
    g_assert_cmpuint(id.owner_uid, ==, geteuid());
    g_assert_cmpint(id.cgroup_events, ==, -1);
    identity_done(&id);
    actor_end(&a);
    g_assert_cmpint(identity_resolve(w->proc, w->helpers, a.pid, OWNER_SCOPE_PROCESS, &id), ==,
                    -ESRCH);
    g_assert_cmpint(identity_resolve(w->proc, w->helpers, 0, OWNER_SCOPE_PROCESS, &id), ==, -ESRCH);
    g_assert_cmpint(id.owner.fd, ==, -1);
}

/* Runs `script` in the shell with $D as the world's directory; the caller it names must
 * belong to the script itself, or (own) to the caller. */
static void script_case(World *w, const char *shell, const char *script, bool own)
{
    if (!need_program(shell))
        return;
    g_setenv("D", w->dir, TRUE);
    Actor a = actor_exec((char *[]){(char *)shell, "-c", (char *)script, NULL});
    g_unsetenv("D");
    pid_t caller = actor_hear(&a);
    g_assert_cmpint(caller, >, 0);
    g_assert_cmpint(caller, !=, a.pid);
    if (own)
        expect(w, caller, OWNER_SCOPE_PROCESS, caller, OWNER_IS_CALLER);
    else
        expect(w, caller, OWNER_SCOPE_PROCESS, a.pid, OWNER_VIA_HELPER);
    actor_end(&a);
}

static void test_helper_of_a_script(World *w, gconstpointer unused)
{
    (void)unused;
    world_add_program(w, "mkdir");
    script_case(w, "sh", "\"$D/mkdir\" x; :", false);
}

static void test_chain_of_helpers(World *w, gconstpointer unused)
{
    (void)unused;
    world_add_program(w, "sudo");
    world_add_program(w, "timeout");
    world_add_program(w, "ln");
    script_case(w, "sh", "( \"$D/sudo\" --spawn \"$D/timeout\" --spawn \"$D/ln\" x; : ); :", false);
}

static void test_program_under_a_helper(World *w, gconstpointer unused)
{
    (void)unused;
    world_add_program(w, "sudo");
    world_add_program(w, "application");
    script_case(w, "sh", "\"$D/sudo\" --spawn \"$D/application\"; :", true);
}

static void test_deleted_helper(World *w, gconstpointer unused)
{
    (void)unused;
    g_autofree char *program = world_program(w, "mkfifo");
    Actor script = actor_exec((char *[]){"sh", "-c", "\"$1\" x; :", "script", program, NULL});
    pid_t caller = actor_hear(&script);
    g_unlink(program);
    expect(w, caller, OWNER_SCOPE_PROCESS, script.pid, OWNER_VIA_HELPER);
    actor_end(&script);
}

/* A forked subshell, two of them, and one that was started anew. */
static void shell_cases(World *w, const char *shell)
{
    script_case(w, shell, "( sh -c 'echo $PPID >&4'; read x <&3; : ); :", false);
    script_case(w, shell, "( : ; ( sh -c 'echo $PPID >&4'; read x <&3; : ); : ); :", false);
    g_autofree char *anew = g_strdup_printf("%s -c 'echo $$ >&4; read x <&3; :' x; :", shell);
    script_case(w, shell, anew, true);
}

static void test_dash(World *w, gconstpointer unused)
{
    (void)unused;
    shell_cases(w, "dash");
}

static void test_bash(World *w, gconstpointer unused)
{
    (void)unused;
    shell_cases(w, "bash");
}

static void test_busybox_sh(World *w, gconstpointer unused)
{
    (void)unused;
    if (!need_program("busybox"))
        return;
    static const char subshell[] = "( sh -c 'echo $PPID >&4'; read x <&3; : ); :";
    static const char anew[] = "busybox sh -c 'echo $$ >&4; read x <&3; :' x; :";
    Actor a = actor_exec((char *[]){"busybox", "sh", "-c", (char *)subshell, NULL});
    pid_t caller = actor_hear(&a);
    g_assert_cmpint(caller, !=, a.pid);
    expect(w, caller, OWNER_SCOPE_PROCESS, a.pid, OWNER_VIA_HELPER);
    actor_end(&a);
    a = actor_exec((char *[]){"busybox", "sh", "-c", (char *)anew, NULL});
    caller = actor_hear(&a);
    g_assert_cmpint(caller, !=, a.pid);
    expect(w, caller, OWNER_SCOPE_PROCESS, caller, OWNER_IS_CALLER);
    actor_end(&a);
}

static void test_applets(World *w, gconstpointer unused)
{
    (void)unused;
    g_autofree char *box = world_program(w, "busybox");
    world_add_program(w, "coreutils");
    script_case(w, "sh", "\"$D/busybox\" mkdir x; :", false);
    script_case(w, "sh", "\"$D/busybox\" httpd x; :", true);
    script_case(w, "sh", "\"$D/busybox\"; :", true);
    script_case(w, "sh", "\"$D/coreutils\" --coreutils-prog=ln x; :", false);
    g_autofree char *link = g_build_filename(w->dir, "ln", NULL);
    g_assert_cmpint(symlink(box, link), ==, 0);
    script_case(w, "sh", "\"$D/ln\" mkdir; :", false);
    g_autofree char *other = g_build_filename(w->dir, "httpd", NULL);
    g_assert_cmpint(symlink(box, other), ==, 0);
    script_case(w, "sh", "\"$D/httpd\" mkdir; :", true);
}

/* The owner as an ordinary user's daemon sees it, who may not look at other users' executables. */
static pid_t owner_seen_by_nobody(pid_t caller)
{
    enum {
        NOBODY = 65534
    };
    Actor daemon = actor_fork();
    if (daemon.pid == 0) {
        Proc *proc;
        Identity id = IDENTITY_NONE;
        if (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0 ||
            proc_open(PROC_WITHOUT_NOTHING, &proc) != 0)
            _exit(1);
        int err =
            identity_resolve(proc, helper_list_new_shipped(), caller, OWNER_SCOPE_PROCESS, &id);
        actor_say_and_stay(err ? err : id.owner.pid);
    }
    pid_t owner = actor_hear(&daemon);
    actor_end(&daemon);
    return owner;
}

static void test_seen_by_an_ordinary_user(World *w, gconstpointer unused)
{
    (void)unused;
    static const char helper[] = "\"$1/mkdir\" x; :";
    static const char subshell[] = "( sh -c 'echo $PPID >&4'; read x <&3; : ); :";
    static const char anew[] = "sh -c 'echo $$ >&4; read x <&3; :' x; :";
    if (!need_root())
        return;
    world_add_program(w, "mkdir");
    const char *const scripts[] = {helper, subshell, anew};
    for (size_t i = 0; i < G_N_ELEMENTS(scripts); i++) {
        Actor a = actor_exec((char *[]){"sh", "-c", (char *)scripts[i], "script", w->dir, NULL});
        pid_t caller = actor_hear(&a);
        g_assert_cmpint(caller, >, 0);
        pid_t owner = scripts[i] == anew ? caller : a.pid;
        g_assert_cmpint(owner_seen_by_nobody(caller), ==, owner);
        actor_end(&a);
    }
}

/* A fork of a program that is no shell is a process of its own. */
static void test_fork_of_a_program(World *w, gconstpointer unused)
{
    (void)unused;
    Actor a = actor_fork();
    if (a.pid == 0) {
        pid_t inner = fork();
        if (inner == 0)
            actor_say_and_stay(getpid());
        waitpid(inner, NULL, 0);
        _exit(0);
    }
    pid_t caller = actor_hear(&a);
    expect(w, caller, OWNER_SCOPE_PROCESS, caller, OWNER_IS_CALLER);
    expect(w, caller, OWNER_SCOPE_PARENT, a.pid, OWNER_VIA_SCOPE);
    actor_end(&a);
}

/* The script dies while its helper is at work; who adopts the helper started nothing. */
static void test_orphaned_helper(World *w, gconstpointer unused)
{
    (void)unused;
    g_autofree char *program = world_program(w, "mkdir");
    g_assert_cmpint(prctl(PR_SET_CHILD_SUBREAPER, 1), ==, 0);
    Actor a = actor_fork();
    if (a.pid == 0) {
        setsid();
        pid_t helper = fork();
        if (helper == 0) {
            setenv(ACTOR_VARIABLE, "1", 1);
            execl(program, program, NULL);
            _exit(127);
        }
        waitpid(helper, NULL, 0);
        _exit(0);
    }
    pid_t helper = actor_hear(&a);
    expect(w, helper, OWNER_SCOPE_PROCESS, a.pid, OWNER_VIA_HELPER);
    kill(a.pid, SIGKILL);
    waitpid(a.pid, NULL, 0);
    expect(w, helper, OWNER_SCOPE_PROCESS, helper, OWNER_IS_CALLER);
    expect(w, helper, OWNER_SCOPE_PARENT, helper, OWNER_SCOPE_FELL_BACK);
    actor_close(&a);
    g_assert_cmpint(waitpid(helper, NULL, 0), ==, helper);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

/* setsid(1) and its like: a leader of a new session was started by its parent all the same. */
static void test_helper_in_a_new_session(World *w, gconstpointer unused)
{
    (void)unused;
    g_autofree char *program = world_program(w, "mkdir");
    Actor a = actor_fork();
    if (a.pid == 0) {
        setsid();
        setenv(ACTOR_VARIABLE, "1", 1);
        execl(program, program, NULL);
        _exit(127);
    }
    g_assert_cmpint(actor_hear(&a), ==, a.pid);
    expect(w, a.pid, OWNER_SCOPE_PROCESS, getpid(), OWNER_VIA_HELPER);
    actor_end(&a);
}

static void test_session(World *w, gconstpointer unused)
{
    (void)unused;
    Actor a = actor_fork();
    if (a.pid == 0) {
        setsid();
        pid_t inner = fork();
        if (inner == 0)
            actor_say_and_stay(getpid());
        waitpid(inner, NULL, 0);
        _exit(0);
    }
    g_assert_cmpint(prctl(PR_SET_CHILD_SUBREAPER, 1), ==, 0);
    pid_t caller = actor_hear(&a);
    expect(w, caller, OWNER_SCOPE_SESSION, a.pid, OWNER_VIA_SCOPE);
    expect(w, a.pid, OWNER_SCOPE_SESSION, a.pid, OWNER_IS_CALLER);
    kill(a.pid, SIGKILL);
    waitpid(a.pid, NULL, 0);
    expect(w, caller, OWNER_SCOPE_SESSION, caller, OWNER_SCOPE_FELL_BACK);
    actor_close(&a);
    g_assert_cmpint(waitpid(caller, NULL, 0), ==, caller);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static pid_t only_child(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/task/%d/children", pid, pid);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return (pid_t)strtol(text, NULL, 10);
}

/* A namespace with its process 1 and a child of it; *first and *member as we see them. */
static Actor start_container(const World *w, pid_t *first, pid_t *member)
{
    Actor a = actor_fork();
    if (a.pid == 0) {
        if (unshare(CLONE_NEWPID) != 0)
            _exit(1);
        pid_t one = fork();
        if (one == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            pid_t two = fork();
            if (two == 0)
                actor_say_and_stay(1);
            waitpid(two, NULL, 0);
            _exit(0);
        }
        waitpid(one, NULL, 0);
        _exit(0);
    }
    *first = *member = 0;
    if (actor_hear(&a) == 1) {
        *first = only_child(a.pid);
        *member = only_child(*first);
        uint64_t ns;
        g_assert_cmpint(proc_pid_ns_id(w->proc, *member, &ns), ==, 0);
        g_assert_cmpuint(ns, !=, proc_own_pid_ns_id(w->proc));
    }
    return a;
}

/* A process that entered the namespace from outside, and one in a namespace that it made below. */
static Actor enter_container(pid_t first, pid_t *visitor, pid_t *below)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/ns/pid", first);
    Actor a = actor_fork();
    if (a.pid == 0) {
        AUTO_FD int ns = open(path, O_RDONLY | O_CLOEXEC);
        if (ns < 0 || setns(ns, CLONE_NEWPID) != 0)
            _exit(1);
        pid_t inner = fork();
        if (inner == 0) {
            if (unshare(CLONE_NEWPID) != 0)
                _exit(1);
            if (fork() == 0)
                actor_say_and_stay(1);
            wait(NULL);
            _exit(0);
        }
        waitpid(inner, NULL, 0);
        _exit(0);
    }
    g_assert_cmpint(actor_hear(&a), ==, 1);
    *visitor = only_child(a.pid);
    *below = only_child(*visitor);
    return a;
}

static void check_container(World *w, pid_t first, pid_t member)
{
    expect(w, member, OWNER_SCOPE_CONTAINER, first, OWNER_VIA_SCOPE);
    expect(w, member, OWNER_SCOPE_PROCESS, member, OWNER_IS_CALLER);
    expect(w, getpid(), OWNER_SCOPE_CONTAINER, getpid(), OWNER_IS_CALLER);

    pid_t visitor, below;
    Actor guest = enter_container(first, &visitor, &below);
    expect(w, visitor, OWNER_SCOPE_CONTAINER, first, OWNER_VIA_SCOPE);
    expect(w, below, OWNER_SCOPE_CONTAINER, below, OWNER_IS_CALLER);

    AUTO_ID Identity id = resolve(w, member, OWNER_SCOPE_CONTAINER);
    const Pidref *owner = &id.owner;
    OwnerScope scope = OWNER_SCOPE_CONTAINER;
    g_assert_cmpint(identity_is_family(w->proc, visitor, owner, scope, 0), ==, 1);
    g_assert_cmpint(identity_is_family(w->proc, visitor, owner, OWNER_SCOPE_PROCESS, 0), ==, 0);
    g_assert_cmpint(identity_is_family(w->proc, below, owner, scope, 0), ==, 1);
    g_assert_cmpint(identity_is_family(w->proc, member, owner, scope, 0), ==, 1);
    g_assert_cmpint(identity_is_family(w->proc, getpid(), owner, scope, 0), ==, 0);
    kill(first, SIGKILL); /* takes the whole namespace with it */
    struct pollfd p = {.fd = owner->fd, .events = POLLIN};
    g_assert_cmpint(poll(&p, 1, -1), ==, 1);
    g_assert_cmpint(identity_is_family(w->proc, getpid(), owner, scope, 0), ==, 0);
    identity_done(&id);
    actor_end(&guest);
}

static void test_container(World *w, gconstpointer unused)
{
    (void)unused;
    if (!need_root())
        return;
    pid_t first, member;
    Actor a = start_container(w, &first, &member);
    if (first)
        check_container(w, first, member);
    else
        g_test_skip("no pid namespaces here");
    actor_end(&a);
}

static char *cgroup_mount(void)
{
    g_autofree char *text = NULL;
    gsize len;
    char path[4096];
    if (!g_file_get_contents("/proc/self/mountinfo", &text, &len, NULL) ||
        !proc_text_cgroup_mount(text, len, path, sizeof path))
        return NULL;
    return g_strdup(path);
}

static bool move_to(pid_t pid, const char *cgroup)
{
    g_autofree char *procs = g_build_filename(cgroup, "cgroup.procs", NULL);
    AUTO_FD int fd = open(procs, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && dprintf(fd, "%d\n", (int)pid) > 0;
}

static void check_cgroup(World *w, const char *upper, const char *lower)
{
    Actor a = actor_fork(), b = a;
    if (a.pid == 0)
        actor_say_and_stay(1);
    b = actor_fork();
    if (b.pid == 0)
        actor_say_and_stay(1);
    g_assert_cmpint(actor_hear(&a), ==, 1);
    g_assert_cmpint(actor_hear(&b), ==, 1);
    g_assert_true(move_to(a.pid, upper));
    OwnerScope scope = OWNER_SCOPE_CGROUP;
    AUTO_ID Identity id = resolve(w, a.pid, scope);
    g_assert_cmpint(id.reason, ==, OWNER_VIA_SCOPE);
    g_assert_cmpint(id.owner.pid, ==, a.pid);
    g_assert_cmpint(identity_cgroup_empty(id.cgroup_events), ==, 0);
    struct stat st;
    g_assert_cmpint(stat(upper, &st), ==, 0);
    g_assert_cmpuint(id.cgroup_id, ==, st.st_ino);

    g_assert_cmpint(identity_is_family(w->proc, b.pid, &id.owner, scope, id.cgroup_id), ==, 0);
    g_assert_true(move_to(b.pid, lower));
    g_assert_cmpint(identity_is_family(w->proc, b.pid, &id.owner, scope, id.cgroup_id), ==, 1);
    actor_kill(&a); /* the one who took it is gone, the cgroup is not */
    g_assert_cmpint(identity_cgroup_empty(id.cgroup_events), ==, 0);
    g_assert_cmpint(identity_is_family(w->proc, b.pid, &id.owner, scope, id.cgroup_id), ==, 1);
    g_assert_cmpint(identity_is_family(w->proc, getpid(), &id.owner, scope, id.cgroup_id), ==, 0);
    actor_kill(&b);
    struct pollfd p = {.fd = id.cgroup_events, .events = POLLPRI};
    while (identity_cgroup_empty(id.cgroup_events) == 0)
        g_assert_cmpint(poll(&p, 1, -1), ==, 1);
    g_assert_cmpint(identity_cgroup_empty(id.cgroup_events), ==, 1);
    g_assert_cmpint(rmdir(lower), ==, 0);
    g_assert_cmpint(rmdir(upper), ==, 0);
    g_assert_cmpint(identity_cgroup_empty(id.cgroup_events), ==, 1);
    identity_done(&id);
}

static void test_cgroup(World *w, gconstpointer unused)
{
    (void)unused;
    if (!need_root())
        return;
    g_autofree char *root = cgroup_mount();
    if (!root)
        return g_test_skip("no cgroup2 mount");
    g_autofree char *name = g_strdup_printf("lockfs-test-%d", getpid());
    g_autofree char *upper = g_build_filename(root, name, NULL);
    g_autofree char *lower = g_build_filename(upper, "below", NULL);
    if (mkdir(upper, 0755) != 0 || mkdir(lower, 0755) != 0)
        return g_test_skip("cgroups cannot be made here");
    check_cgroup(w, upper, lower);
}

/* The root cgroup has no events and is never empty. */
static void test_root_cgroup(World *w, gconstpointer unused)
{
    (void)unused;
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents("/proc/self/cgroup", &text, NULL, NULL));
    char path[4096];
    if (!proc_text_cgroup(text, strlen(text), path, sizeof path) || strcmp(path, "/") != 0)
        return g_test_skip("we are not in the root cgroup");
    expect(w, getpid(), OWNER_SCOPE_CGROUP, getpid(), OWNER_SCOPE_FELL_BACK);
}

int main(int argc, char **argv)
{
    ACTOR_OR_TEST(argc, argv);
    add_everywhere("/identity/caller", test_caller_owns);
    add_everywhere("/identity/helper", test_helper_of_a_script);
    add_everywhere("/identity/chain", test_chain_of_helpers);
    add_everywhere("/identity/program-under-helper", test_program_under_a_helper);
    add_everywhere("/identity/deleted-helper", test_deleted_helper);
    add_everywhere("/identity/dash", test_dash);
    add_everywhere("/identity/bash", test_bash);
    add_everywhere("/identity/busybox-sh", test_busybox_sh);
    add_everywhere("/identity/applets", test_applets);
    add_everywhere("/identity/ordinary-user", test_seen_by_an_ordinary_user);
    add_everywhere("/identity/fork", test_fork_of_a_program);
    add_everywhere("/identity/orphan", test_orphaned_helper);
    add_everywhere("/identity/new-session", test_helper_in_a_new_session);
    add_everywhere("/identity/session", test_session);
    add_everywhere("/identity/container", test_container);
    add_everywhere("/identity/cgroup", test_cgroup);
    add_everywhere("/identity/root-cgroup", test_root_cgroup);
    return g_test_run();
}
