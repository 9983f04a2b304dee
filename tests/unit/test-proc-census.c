/* Who is there, and what the clock can be trusted with: fs/proc/census.c, fs/proc/boot-clock.c. */
#include "base/clock.h"
#include "proc/boot-clock.h"
#include "proc/census.h"
#include "test-proc-kit.h"

#include <sys/wait.h>

static bool has(const Census *census, pid_t number, pid_t pid, const CensusEntry **found)
{
    unsigned n, times = 0;
    const CensusEntry *entries = census_find(census, number, &n);
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpint(entries[i].number, ==, number);
        if (entries[i].pid == pid) {
            times++;
            *found = &entries[i];
        }
    }
    g_assert_cmpuint(times, <=, 1);
    return times == 1;
}

static void test_living_and_dead(World *w, gconstpointer unused)
{
    (void)unused;
    Census *census;
    const CensusEntry *entry;
    char name[256];
    unsigned n;
    Actor gone = actor_fork();
    if (gone.pid == 0)
        actor_say_and_stay(1);
    actor_hear(&gone);
    actor_kill(&gone);
    g_assert_cmpint(census_take(w->proc, &census), ==, 0);
    g_assert_true(has(census, getpid(), getpid(), &entry));
    g_assert_cmpint(gethostname(name, sizeof name), ==, 0);
    g_assert_cmpstr(census_host(census, entry), ==, name);
    g_assert_cmpstr(census_hosts(census)[0], ==, name);
    g_assert_false(has(census, gone.pid, gone.pid, &entry));
    g_assert_null(census_find(census, 4194304, &n));
    g_assert_cmpuint(n, ==, 0);
    g_assert_cmpint(census_is_complete(census), ==, proc_in_initial_pid_ns(w->proc));
    g_assert_cmpint(census_boot_ns(census), <=, clock_boot_ns());
    census_free(census);
}

/* Process 1 of a pid namespace in another, with a host name of its own. */
static Actor inner_init(void)
{
    Actor actor = actor_fork();
    if (actor.pid == 0) {
        for (int depth = 0; depth < 2; depth++) {
            if (unshare(CLONE_NEWPID | CLONE_NEWUTS) != 0 || sethostname("inner.test", 10) != 0)
                _exit(1);
            pid_t child = fork();
            if (child > 0) {
                waitpid(child, NULL, 0);
                _exit(0);
            }
            prctl(PR_SET_PDEATHSIG, SIGKILL);
        }
        char path[32] = "";
        ssize_t len = readlink("/proc/self", path, sizeof path - 1); /* as the outer /proc has it */
        actor_say_and_stay(len > 0 ? strtol(path, NULL, 10) : 0);
    }
    return actor;
}

static void test_namespaces(World *w, gconstpointer unused)
{
    (void)unused;
    Census *census;
    const CensusEntry *entry;
    if (!need_root())
        return;
    Actor inner = inner_init();
    pid_t pid = actor_hear(&inner);
    g_assert_cmpint(pid, >, 1);
    g_assert_cmpint(census_take(w->proc, &census), ==, 0);
    g_assert_true(has(census, pid, pid, &entry));
    g_assert_true(has(census, 1, pid, &entry));
    g_assert_cmpstr(census_host(census, entry), ==, "inner.test");
    g_assert_true(g_strv_contains(census_hosts(census), "inner.test"));
    census_free(census);
    actor_end(&inner);
}

static void test_boot_clock(World *w, gconstpointer unused)
{
    (void)unused;
    BootClock clock = boot_clock_read(w->proc);
    g_assert_cmpint(clock.low_ns, <=, clock.high_ns);
    g_assert_cmpint(llabs(clock.high_ns + clock_boot_ns() - clock_real_ns()), <, CLOCK_NS_PER_S);
}

static void test_locks_text(World *w, gconstpointer unused)
{
    (void)unused, (void)w;
    const char text[] = "1: POSIX  ADVISORY  WRITE 612 00:1a:4711 0 EOF\n"
                        "1: -> POSIX  ADVISORY  WRITE 613 00:1a:4711 0 EOF\n"
                        "2: OFDLCK ADVISORY  READ -1 fe:02:99 128 128\n";
    g_assert_true(proc_text_locks_name(text, strlen(text), 4711));
    g_assert_true(proc_text_locks_name(text, strlen(text), 99));
    g_assert_false(proc_text_locks_name(text, strlen(text), 612));
    g_assert_false(proc_text_locks_name(text, strlen(text), 47));
    g_assert_false(proc_text_locks_name("", 0, 0));
}

int main(int argc, char **argv)
{
    ACTOR_OR_TEST(argc, argv);
    add_everywhere("/census/living-and-dead", test_living_and_dead);
    add_everywhere("/census/namespaces", test_namespaces);
    add_everywhere("/census/boot-clock", test_boot_clock);
    add_everywhere("/census/locks-text", test_locks_text);
    return g_test_run();
}
