/* Threads, processes and parents: fs/proc/proc.c, fs/proc/pidref.c. */
#include "proc/pidref.h"
#include "test-proc-kit.h"

#include <grp.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <pthread.h>

static pid_t thread_group(const World *w, pid_t tid)
{
    pid_t pid = -1;
    int err = proc_thread_group(w->proc, tid, &pid);
    return err ? err : pid;
}

typedef struct {
    int said[2]; /* the thread's id */
    int hold[2]; /* closed to let it go */
} Thread;

static void *thread_body(void *data)
{
    Thread *t = data;
    pid_t tid = gettid();
    char byte;
    if (write(t->said[1], &tid, sizeof tid) != sizeof tid || read(t->hold[0], &byte, 1) != 0)
        abort();
    return NULL;
}

static void test_thread_of_us(World *w, gconstpointer unused)
{
    (void)unused;
    Thread t;
    pthread_t handle;
    pid_t tid;
    g_assert_true(pipe2(t.said, O_CLOEXEC) == 0 && pipe2(t.hold, O_CLOEXEC) == 0);
    g_assert_cmpint(pthread_create(&handle, NULL, thread_body, &t), ==, 0);
    g_assert_cmpint(read(t.said[0], &tid, sizeof tid), ==, sizeof tid);
    g_assert_cmpint(tid, !=, getpid());
    g_assert_cmpint(thread_group(w, tid), ==, getpid());
    g_assert_cmpint(thread_group(w, getpid()), ==, getpid());

    AUTO_PIDREF Pidref ref = PIDREF_NONE;
    ProcStat stat;
    g_assert_cmpint(pidref_open(w->proc, tid, &ref), ==, -ESRCH);
    g_assert_cmpint(pidref_open_thread(w->proc, tid, &ref, &stat), ==, 0);
    g_assert_cmpint(ref.pid, ==, getpid());
    g_assert_cmpint(stat.pid, ==, getpid());
    pidref_done(&ref);

    close(t.hold[1]);
    pthread_join(handle, NULL);
    close(t.hold[0]);
    close(t.said[0]);
    close(t.said[1]);
}

static void test_no_such_thread(World *w, gconstpointer unused)
{
    (void)unused;
    Actor a = actor_fork();
    if (a.pid == 0)
        _exit(0);
    pid_t gone = a.pid;
    actor_end(&a);
    pid_t pid = 77;
    g_assert_cmpint(proc_thread_group(w->proc, gone, &pid), ==, -ESRCH);
    g_assert_cmpint(proc_thread_group(w->proc, 0, &pid), ==, -ESRCH);
    g_assert_cmpint(proc_thread_group(w->proc, -1, &pid), ==, -ESRCH);
    g_assert_cmpint(pid, ==, 77);
}

static void test_kernel_thread(World *w, gconstpointer unused)
{
    (void)unused;
    g_autofree char *comm = NULL;
    if (!proc_in_initial_pid_ns(w->proc) ||
        !g_file_get_contents("/proc/2/comm", &comm, NULL, NULL) || !g_str_equal(comm, "kthreadd\n"))
        return g_test_skip("kernel threads are not in this pid namespace");
    uint64_t dev, ino;
    g_assert_cmpint(thread_group(w, 2), ==, -EPERM);
    AUTO_PIDREF Pidref ref = PIDREF_NONE;
    ProcStat stat;
    g_assert_cmpint(pidref_open_thread(w->proc, 2, &ref, &stat), ==, -EPERM);
    g_assert_cmpint(ref.fd, ==, -1);
    if (geteuid() == 0)
        g_assert_cmpint(proc_exe_id(w->proc, 2, &dev, &ino), ==, -ENOENT);
    /* The machine's first process is an ordinary one. */
    g_assert_cmpint(thread_group(w, 1), ==, 1);
}

/* This program runs one thread at a time beside its first. */
static pid_t find_other_thread(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/task", 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(dir)))
        if (strtol(name, NULL, 10) != getpid())
            return (pid_t)strtol(name, NULL, 10);
    return 0;
}

/* A kernel-made thread of ours does the work of a ring that polls. */
static void test_io_uring_thread(World *w, gconstpointer unused)
{
    (void)unused;
    struct io_uring_params params = {.flags = IORING_SETUP_SQPOLL};
    int ring = (int)syscall(SYS_io_uring_setup, 1, &params);
    if (ring < 0)
        return g_test_skip("io_uring is not available");
    pid_t tid = find_other_thread();
    g_assert_cmpint(tid, >, 0);
    g_assert_cmpint(thread_group(w, tid), ==, getpid());
    AUTO_PIDREF Pidref ref = PIDREF_NONE;
    ProcStat stat;
    g_assert_cmpint(pidref_open_thread(w->proc, tid, &ref, &stat), ==, 0);
    g_assert_cmpint(ref.pid, ==, getpid());
    close(ring);
}

static void *say_tid_and_stay(void *data)
{
    (void)data;
    actor_say_and_stay(gettid());
}

static void wait_for_state(const World *w, pid_t pid, char state)
{
    char text[2048];
    ProcStat stat = {0};
    do {
        sched_yield(); /* the end of one thread of several is no event */
        ssize_t n = proc_read(w->proc, pid, "stat", text, sizeof text);
        g_assert_cmpint(n, >, 0);
        g_assert_true(proc_text_stat(text, (size_t)n, &stat));
    } while (stat.state != state);
}

static void test_leader_ended(World *w, gconstpointer unused)
{
    (void)unused;
    Actor a = actor_fork();
    if (a.pid == 0) {
        pthread_t handle;
        if (pthread_create(&handle, NULL, say_tid_and_stay, NULL) != 0)
            _exit(1);
        syscall(SYS_exit, 0);
    }
    pid_t tid = actor_hear(&a);
    wait_for_state(w, a.pid, 'Z');
    g_assert_cmpint(thread_group(w, tid), ==, a.pid);
    g_assert_cmpint(thread_group(w, a.pid), ==, a.pid);

    AUTO_PIDREF Pidref ref = PIDREF_NONE;
    AUTO_PIDREF Pidref by_thread = PIDREF_NONE;
    AUTO_PIDREF Pidref parent = PIDREF_NONE;
    ProcStat stat;
    uid_t uid = 12345;
    g_assert_cmpint(pidref_open(w->proc, a.pid, &ref), ==, 0);
    g_assert_cmpint(pidref_open_thread(w->proc, tid, &by_thread, &stat), ==, 0);
    g_assert_true(pidref_same(&ref, &by_thread));
    g_assert_cmpint(pidref_life(&ref), ==, PIDREF_ALIVE);
    g_assert_cmpint(pidref_open_parent(w->proc, &ref, &parent), ==, 0);
    g_assert_cmpint(parent.pid, ==, getpid());
    g_assert_cmpint(pidref_uid(w->proc, &ref, &uid), ==, 0);
    g_assert_cmpint(uid, ==, geteuid());

    actor_kill(&a);
    g_assert_cmpint(pidref_life(&ref), ==, PIDREF_DEAD);
    pidref_done(&ref);
    pidref_done(&by_thread);
    pidref_done(&parent);
}

static void wait_for_death(const Pidref *ref)
{
    struct pollfd p = {.fd = ref->fd, .events = POLLIN};
    g_assert_cmpint(poll(&p, 1, -1), ==, 1);
}

static void test_zombie(World *w, gconstpointer unused)
{
    (void)unused;
    Actor a = actor_fork();
    if (a.pid == 0)
        actor_say_and_stay(1);
    actor_hear(&a);
    AUTO_PIDREF Pidref ref = PIDREF_NONE;
    AUTO_PIDREF Pidref late = PIDREF_NONE;
    g_assert_cmpint(pidref_open(w->proc, a.pid, &ref), ==, 0);
    g_assert_cmpint(pidref_life(&ref), ==, PIDREF_ALIVE);
    kill(a.pid, SIGKILL);
    wait_for_death(&ref);
    g_assert_cmpint(kill(a.pid, 0), ==, 0);
    g_assert_cmpint(pidref_life(&ref), ==, PIDREF_DEAD);
    g_assert_cmpint(pidref_open(w->proc, a.pid, &late), ==, -ESRCH);
    g_assert_cmpint(pidref_open_parent(w->proc, &ref, &late), ==, -ESRCH);
    g_assert_cmpint(late.fd, ==, -1);
    actor_end(&a);
    g_assert_cmpint(pidref_life(&ref), ==, PIDREF_DEAD);
    g_assert_cmpint(pidref_open_parent(w->proc, &ref, &late), ==, -ESRCH);
    pidref_done(&ref);
}

static void test_stopped(World *w, gconstpointer unused)
{
    (void)unused;
    Actor a = actor_fork();
    if (a.pid == 0)
        actor_say_and_stay(1);
    actor_hear(&a);
    AUTO_PIDREF Pidref ref = PIDREF_NONE;
    kill(a.pid, SIGSTOP);
    g_assert_cmpint(waitpid(a.pid, NULL, WUNTRACED), ==, a.pid);
    g_assert_cmpint(pidref_open(w->proc, a.pid, &ref), ==, 0);
    g_assert_cmpint(pidref_life(&ref), ==, PIDREF_ALIVE);
    pidref_done(&ref);
    actor_kill(&a);
}

static void test_exec_keeps_the_process(World *w, gconstpointer unused)
{
    (void)unused;
    g_autofree char *program = world_program(w, "exec me");
    Actor a = actor_fork();
    if (a.pid == 0) {
        char byte;
        dprintf(ACTOR_OUT, "1\n");
        if (read(ACTOR_IN, &byte, 1) != 1)
            _exit(1);
        setenv(ACTOR_VARIABLE, "1", 1);
        execl(program, program, NULL);
        _exit(1);
    }
    actor_hear(&a);
    AUTO_PIDREF Pidref before = PIDREF_NONE;
    AUTO_PIDREF Pidref after = PIDREF_NONE;
    uint64_t dev[2], ino[2];
    char name[64];
    g_assert_cmpint(pidref_open(w->proc, a.pid, &before), ==, 0);
    g_assert_cmpint(proc_exe_id(w->proc, a.pid, &dev[0], &ino[0]), ==, 0);
    g_assert_cmpint(write(a.in, "x", 1), ==, 1);
    g_assert_cmpint(actor_hear(&a), ==, a.pid);
    g_assert_cmpint(proc_exe_id(w->proc, a.pid, &dev[1], &ino[1]), ==, 0);
    g_assert_true(dev[0] != dev[1] || ino[0] != ino[1]);
    g_assert_cmpint(pidref_life(&before), ==, PIDREF_ALIVE);
    g_assert_cmpint(pidref_open(w->proc, a.pid, &after), ==, 0);
    g_assert_true(pidref_same(&before, &after));
    g_unlink(program);
    g_assert_cmpint(proc_exe_name(w->proc, a.pid, name, sizeof name), ==, 0);
    g_assert_cmpstr(name, ==, "exec me");
    g_assert_cmpint(proc_exe_name(w->proc, a.pid, name, 7), ==, -ENAMETOOLONG);
    pidref_done(&before);
    pidref_done(&after);
    actor_end(&a);
}

/* A new process with a number of our choice; it lives until it is killed. */
static pid_t spawn_at(pid_t pid)
{
    struct clone_args args = {
        .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
    pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (child == 0)
        for (;;)
            pause();
    return child;
}

static void test_reused_pid(World *w, gconstpointer unused)
{
    (void)unused;
    if (!need_root())
        return;
    Actor a = actor_fork();
    if (a.pid == 0)
        actor_say_and_stay(1);
    actor_hear(&a);
    pid_t pid = a.pid;
    AUTO_PIDREF Pidref old = PIDREF_NONE;
    AUTO_PIDREF Pidref new = PIDREF_NONE;
    g_assert_cmpint(pidref_open(w->proc, pid, &old), ==, 0);
    actor_kill(&a);
    if (spawn_at(pid) != pid) {
        pidref_done(&old);
        return g_test_skip("this kernel does not let us choose a pid");
    }
    g_assert_cmpint(pidref_open(w->proc, pid, &new), ==, 0);
    g_assert_cmpint(pidref_life(&old), ==, PIDREF_DEAD);
    g_assert_cmpint(pidref_life(&new), ==, PIDREF_ALIVE);
    if (proc_has(w->proc, PROC_WITHOUT_PIDFS)) /* else two in one tick look alike */
        g_assert_false(pidref_same(&old, &new));
    AUTO_PIDREF Pidref parent = PIDREF_NONE;
    ProcStat stat;
    uid_t uid;
    g_assert_cmpint(pidref_open_parent(w->proc, &old, &parent), ==, -ESRCH);
    g_assert_cmpint(pidref_stat(w->proc, &old, &stat), ==, -ESRCH);
    g_assert_cmpint(pidref_uid(w->proc, &old, &uid), ==, -ESRCH);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    pidref_done(&old);
    pidref_done(&new);
}

static void test_parent(World *w, gconstpointer unused)
{
    (void)unused;
    Actor a = actor_fork();
    if (a.pid == 0)
        actor_say_and_stay(1);
    actor_hear(&a);
    AUTO_PIDREF Pidref child = PIDREF_NONE;
    AUTO_PIDREF Pidref parent = PIDREF_NONE;
    AUTO_PIDREF Pidref us = PIDREF_NONE;
    g_assert_cmpint(pidref_open(w->proc, a.pid, &child), ==, 0);
    g_assert_cmpint(pidref_open(w->proc, getpid(), &us), ==, 0);
    g_assert_cmpint(pidref_open_parent(w->proc, &child, &parent), ==, 0);
    g_assert_true(pidref_same(&parent, &us));
    g_assert_false(pidref_same(&parent, &child));
    pidref_done(&parent);
    actor_kill(&a);
    g_assert_cmpint(pidref_open_parent(w->proc, &child, &parent), ==, -ESRCH);
    pidref_done(&child);
    pidref_done(&us);
}

static void test_copy_and_none(World *w, gconstpointer unused)
{
    (void)unused;
    AUTO_PIDREF Pidref none = PIDREF_NONE;
    AUTO_PIDREF Pidref us = PIDREF_NONE;
    AUTO_PIDREF Pidref copy = PIDREF_NONE;
    g_assert_cmpint(pidref_life(&none), ==, PIDREF_UNKNOWN);
    g_assert_false(pidref_same(&none, &none));
    g_assert_cmpint(pidref_open(w->proc, getpid(), &us), ==, 0);
    g_assert_cmpint(us.inode != 0, ==, proc_has(w->proc, PROC_WITHOUT_PIDFS));
    g_assert_cmpint(pidref_copy(&us, &copy), ==, 0);
    g_assert_cmpint(copy.fd, !=, us.fd);
    g_assert_true(pidref_same(&us, &copy));
    pidref_done(&us);
    g_assert_cmpint(us.pid, ==, 0);
    g_assert_cmpint(pidref_life(&copy), ==, PIDREF_ALIVE);
    pidref_done(&copy);
}

static void test_out_of_descriptors(World *w, gconstpointer unused)
{
    (void)unused;
    Actor a = actor_fork();
    if (a.pid == 0) {
        pid_t pid = 0;
        Pidref ref = PIDREF_NONE;
        while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
            ;
        int one = proc_thread_group(w->proc, getpid(), &pid);
        int two = pidref_open(w->proc, getpid(), &ref);
        actor_say_and_stay(one == -EMFILE && two == -EMFILE && ref.fd == -1 && pid == 0);
    }
    g_assert_cmpint(actor_hear(&a), ==, 1);
    actor_end(&a);
}

static void test_groups(World *w, gconstpointer unused)
{
    (void)unused;
    if (!need_root())
        return;
    enum {
        MANY = 4000
    };
    Actor a = actor_fork();
    if (a.pid == 0) {
        static gid_t list[MANY];
        for (gid_t i = 0; i < MANY; i++)
            list[i] = 4000000000U + i;
        actor_say_and_stay(setgroups(MANY, list));
    }
    g_assert_cmpint(actor_hear(&a), ==, 0);
    g_autofree gid_t *got = g_new0(gid_t, MANY);
    g_assert_cmpint(proc_groups(w->proc, a.pid, got, MANY), ==, MANY);
    g_assert_cmpuint(got[0], ==, 4000000000U);
    g_assert_cmpuint(got[MANY - 1], ==, 4000000000U + MANY - 1);
    g_assert_cmpint(proc_groups(w->proc, a.pid, got, MANY - 1), ==, -E2BIG);
    g_assert_cmpint(proc_groups(w->proc, a.pid, got, 0), ==, -E2BIG);
    g_assert_cmpint(thread_group(w, a.pid), ==, a.pid);
    ProcStatus status;
    g_assert_cmpint(proc_status(w->proc, a.pid, &status), ==, 0);
    g_assert_cmpint(status.ns_pids[0], ==, a.pid);
    actor_end(&a);
}

static void test_about_us(World *w, gconstpointer unused)
{
    (void)unused;
    g_autofree char *boot_id = NULL;
    g_assert_true(g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot_id, NULL, NULL));
    g_assert_cmpstr(g_strchomp(boot_id), ==, proc_boot_id(w->proc));
    char buf[4096];
    g_assert_cmpint(proc_read(w->proc, getpid(), "no-such-file", buf, sizeof buf), ==, -ENOENT);
    g_assert_cmpint(proc_read(w->proc, getpid(), "stat", buf, 8), ==, -E2BIG);
    uint64_t ns;
    g_assert_cmpint(proc_pid_ns_id(w->proc, getpid(), &ns), ==, 0);
    g_assert_cmpuint(ns, ==, proc_own_pid_ns_id(w->proc));
}

/* A /proc that shows another namespace would name the wrong processes. */
static void test_foreign_proc(World *w, gconstpointer unused)
{
    (void)w;
    (void)unused;
    if (!need_root())
        return;
    Actor a = actor_fork();
    if (a.pid == 0) {
        if (unshare(CLONE_NEWPID) != 0)
            actor_say_and_stay(1);
        pid_t inner = fork();
        if (inner == 0) {
            Proc *proc;
            actor_say_and_stay(proc_open(PROC_WITHOUT_NOTHING, &proc));
        }
        waitpid(inner, NULL, 0);
        _exit(0);
    }
    int err = actor_hear(&a);
    actor_end(&a);
    if (err == 1)
        return g_test_skip("no pid namespaces here");
    g_assert_cmpint(err, ==, -EXDEV);
}

static void test_environment(void)
{
    Proc *proc;
    g_setenv("LOCKFS_WITHOUT", "splice,pidfs,pidfd-info", TRUE);
    g_assert_cmpint(proc_open(PROC_WITHOUT_NS_PID, &proc), ==, 0);
    g_unsetenv("LOCKFS_WITHOUT");
    g_assert_false(proc_has(proc, PROC_WITHOUT_PIDFS));
    g_assert_false(proc_has(proc, PROC_WITHOUT_PIDFD_INFO));
    g_assert_false(proc_has(proc, PROC_WITHOUT_NS_PID));
    proc_close(proc);
}

int main(int argc, char **argv)
{
    ACTOR_OR_TEST(argc, argv);
    add_everywhere("/proc/thread", test_thread_of_us);
    add_everywhere("/proc/no-such-thread", test_no_such_thread);
    add_everywhere("/proc/kernel-thread", test_kernel_thread);
    add_everywhere("/proc/io-uring-thread", test_io_uring_thread);
    add_everywhere("/proc/groups", test_groups);
    add_everywhere("/proc/about-us", test_about_us);
    add_everywhere("/proc/foreign", test_foreign_proc);
    add_everywhere("/proc/out-of-descriptors", test_out_of_descriptors);
    g_test_add_func("/proc/environment", test_environment);
    add_everywhere("/pidref/leader-ended", test_leader_ended);
    add_everywhere("/pidref/zombie", test_zombie);
    add_everywhere("/pidref/stopped", test_stopped);
    add_everywhere("/pidref/exec", test_exec_keeps_the_process);
    add_everywhere("/pidref/reused-pid", test_reused_pid);
    add_everywhere("/pidref/parent", test_parent);
    add_everywhere("/pidref/copy", test_copy_and_none);
    return g_test_run();
}
