/* Who may do with a lock what its owner may: identity_is_family. */
#include "proc/identity.h"
#include "test-proc-kit.h"

#include <linux/sched.h>

#include <stdint.h>

static int family(const World *w, pid_t pid, const Pidref *owner, OwnerScope scope)
{
    return identity_is_family(w->proc, pid, owner, scope, 0);
}

/* A line of `depth` processes below the actor; the last says its pid. */
static Actor start_line(int depth)
{
    Actor a = actor_fork();
    if (a.pid != 0)
        return a;
    for (int i = 0; i < depth; i++) {
        pid_t inner = fork();
        if (inner != 0) {
            waitpid(inner, NULL, 0);
            _exit(0);
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    actor_say_and_stay(getpid());
}

static void test_descendants(World *w, gconstpointer unused)
{
    (void)unused;
    Actor a = start_line(40);
    Actor other = start_line(1);
    pid_t last = actor_hear(&a);
    pid_t stranger = actor_hear(&other);
    AUTO_PIDREF Pidref us = PIDREF_NONE;
    AUTO_PIDREF Pidref owner = PIDREF_NONE;
    g_assert_cmpint(pidref_open(w->proc, getpid(), &us), ==, 0);
    g_assert_cmpint(pidref_open(w->proc, a.pid, &owner), ==, 0);
    OwnerScope scope = OWNER_SCOPE_PROCESS;
    g_assert_cmpint(family(w, a.pid, &owner, scope), ==, 1);
    g_assert_cmpint(family(w, last, &owner, scope), ==, 1);
    g_assert_cmpint(family(w, last, &us, scope), ==, 1);
    g_assert_cmpint(family(w, stranger, &owner, scope), ==, 0);
    g_assert_cmpint(family(w, getpid(), &owner, scope), ==, 0);
    g_assert_cmpint(family(w, getppid(), &us, scope), ==, 0);

    kill(a.pid, SIGKILL); /* dead, not collected: its number is still its own */
    struct pollfd p = {.fd = owner.fd, .events = POLLIN};
    g_assert_cmpint(poll(&p, 1, -1), ==, 1);
    g_assert_cmpint(family(w, a.pid, &owner, scope), ==, 0);
    g_assert_cmpint(family(w, stranger, &owner, scope), ==, 0);
    actor_end(&a);
    pidref_done(&owner);
    pidref_done(&us);
    actor_end(&other);
}

/* Parents die under our feet; whoever adopts the child, we stay its ancestor. */
static void test_dying_parents(World *w, gconstpointer unused)
{
    (void)unused;
    enum {
        ROUNDS = 60,
        DEPTH = 6
    };
    AUTO_PIDREF Pidref us = PIDREF_NONE;
    g_assert_cmpint(pidref_open(w->proc, getpid(), &us), ==, 0);
    g_assert_cmpint(prctl(PR_SET_CHILD_SUBREAPER, 1), ==, 0);
    for (int i = 0; i < ROUNDS; i++) {
        Actor a = actor_fork();
        if (a.pid == 0) {
            char byte;
            /* Each parent leaves with a byte of its own: all of them at once. */
            for (int d = 0; d < DEPTH; d++)
                if (fork() != 0)
                    _exit(read(ACTOR_IN, &byte, 1) == 1 ? 0 : 1);
            dprintf(ACTOR_OUT, "%d\n", (int)getpid());
            for (;;)
                pause();
        }
        pid_t last = actor_hear(&a);
        g_assert_cmpint(write(a.in, "xxxxxx", DEPTH), ==, DEPTH);
        for (int k = 0; k < 20; k++)
            g_assert_cmpint(family(w, last, &us, OWNER_SCOPE_PROCESS), ==, 1);
        kill(last, SIGKILL);
        actor_end(&a);
        while (waitpid(-1, NULL, 0) > 0)
            ;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    pidref_done(&us);
}

static void test_session(World *w, gconstpointer unused)
{
    (void)unused;
    Actor leader = actor_fork();
    if (leader.pid == 0) {
        setsid();
        for (int i = 0; i < 2; i++)
            if (fork() == 0)
                actor_say_and_stay(getpid());
        while (wait(NULL) > 0)
            ;
        _exit(0);
    }
    pid_t one = actor_hear(&leader);
    pid_t two = actor_hear(&leader);
    AUTO_PIDREF Pidref owner = PIDREF_NONE;
    g_assert_cmpint(pidref_open(w->proc, one, &owner), ==, 0);
    g_assert_cmpint(family(w, two, &owner, OWNER_SCOPE_SESSION), ==, 1);
    g_assert_cmpint(family(w, two, &owner, OWNER_SCOPE_PROCESS), ==, 0);
    g_assert_cmpint(family(w, getpid(), &owner, OWNER_SCOPE_SESSION), ==, 0);
    kill(one, SIGKILL);
    struct pollfd p = {.fd = owner.fd, .events = POLLIN};
    g_assert_cmpint(poll(&p, 1, -1), ==, 1);
    g_assert_cmpint(family(w, two, &owner, OWNER_SCOPE_SESSION), ==, 0);
    pidref_done(&owner);
    actor_end(&leader);
}

/* The owner's number, worn by somebody else, makes no family. */
static void test_reused_pid(World *w, gconstpointer unused)
{
    (void)unused;
    if (!need_root())
        return;
    Actor a = start_line(0);
    actor_hear(&a);
    pid_t pid = a.pid;
    AUTO_PIDREF Pidref owner = PIDREF_NONE;
    g_assert_cmpint(pidref_open(w->proc, pid, &owner), ==, 0);
    actor_kill(&a);
    struct clone_args args = {
        .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
    pid_t next = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (next == 0)
        for (;;)
            pause();
    if (next == pid) {
        g_assert_cmpint(family(w, next, &owner, OWNER_SCOPE_PROCESS), ==, 0);
        g_assert_cmpint(family(w, next, &owner, OWNER_SCOPE_SESSION), ==, 0);
        kill(next, SIGKILL);
        waitpid(next, NULL, 0);
    } else {
        g_test_skip("this kernel does not let us choose a pid");
    }
    pidref_done(&owner);
}

/* In our own namespace a container is one process: not everybody is its family. */
static void test_no_container(World *w, gconstpointer unused)
{
    (void)unused;
    Actor a = start_line(0);
    actor_hear(&a);
    AUTO_PIDREF Pidref owner = PIDREF_NONE;
    g_assert_cmpint(pidref_open(w->proc, a.pid, &owner), ==, 0);
    g_assert_cmpint(family(w, getpid(), &owner, OWNER_SCOPE_CONTAINER), ==, 0);
    g_assert_cmpint(family(w, a.pid, &owner, OWNER_SCOPE_CONTAINER), ==, 1);
    pidref_done(&owner);
    actor_end(&a);
}

static void test_unknown_owner(World *w, gconstpointer unused)
{
    (void)unused;
    Pidref lost = {.pid = getpid(), .fd = -1};
    g_assert_cmpint(family(w, getpid(), &lost, OWNER_SCOPE_PROCESS), ==, -EIO);
}

int main(int argc, char **argv)
{
    ACTOR_OR_TEST(argc, argv);
    add_everywhere("/family/descendants", test_descendants);
    add_everywhere("/family/dying-parents", test_dying_parents);
    add_everywhere("/family/session", test_session);
    add_everywhere("/family/reused-pid", test_reused_pid);
    add_everywhere("/family/no-container", test_no_container);
    add_everywhere("/family/unknown-owner", test_unknown_owner);
    return g_test_run();
}
