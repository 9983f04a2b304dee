/* Many deaths, each told. */
#include "proc/death-watch.h"
#include "proc/identity.h"
#include "test-proc-kit.h"

#include <pthread.h>
#include <sys/stat.h>

enum {
    MANY = 400
};

typedef struct {
    Pidref refs[MANY];
    int hold[2]; /* all of them live until this pipe ends */
} Crowd;

static void crowd_start(const World *w, Crowd *crowd, DeathWatch *watch)
{
    g_assert_cmpint(pipe2(crowd->hold, O_CLOEXEC), ==, 0);
    for (int i = 0; i < MANY; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char byte;
            close(crowd->hold[1]);
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            _exit(read(crowd->hold[0], &byte, 1) == 0 ? 0 : 1);
        }
        g_assert_cmpint(pidref_open(w->proc, pid, &crowd->refs[i]), ==, 0);
        uint64_t cookie = (uint64_t)i + 1000;
        g_assert_cmpint(death_watch_add_process(watch, crowd->refs[i].fd, cookie), ==, 0);
    }
}

/* Collects deaths until `count` were told; each told one leaves the watch. */
static void collect(Crowd *crowd, DeathWatch *watch, int count, bool *told)
{
    uint64_t cookies[7];
    while (count > 0) {
        int n = death_watch_wait(watch, cookies, G_N_ELEMENTS(cookies), -1);
        g_assert_cmpint(n, >, 0);
        for (int i = 0; i < n; i++) {
            g_assert_cmpuint(cookies[i], >=, 1000);
            g_assert_cmpuint(cookies[i], <, 1000 + MANY);
            int which = (int)(cookies[i] - 1000);
            g_assert_false(told[which]);
            told[which] = true;
            g_assert_cmpint(pidref_life(&crowd->refs[which]), ==, PIDREF_DEAD);
            death_watch_remove(watch, crowd->refs[which].fd);
        }
        count -= n;
    }
}

static void test_crowd(World *w, gconstpointer unused)
{
    (void)unused;
    g_autofree Crowd *crowd = g_new0(Crowd, 1);
    bool told[MANY] = {false};
    uint64_t cookie;
    DeathWatch *watch;
    g_assert_cmpint(death_watch_new(&watch), ==, 0);
    crowd_start(w, crowd, watch);
    g_assert_cmpint(death_watch_wait(watch, &cookie, 1, 0), ==, 0);
    for (int i = 0; i < MANY; i += 4)
        kill(crowd->refs[i].pid, SIGKILL);
    collect(crowd, watch, MANY / 4, told);
    for (int i = 0; i < MANY; i++)
        g_assert_cmpint(told[i], ==, i % 4 == 0);
    g_assert_cmpint(death_watch_wait(watch, &cookie, 1, 0), ==, 0);
    close(crowd->hold[1]);
    collect(crowd, watch, MANY - MANY / 4, told);
    g_assert_cmpint(death_watch_wait(watch, &cookie, 1, 0), ==, 0);
    for (int i = 0; i < MANY; i++) {
        waitpid(crowd->refs[i].pid, NULL, 0);
        pidref_done(&crowd->refs[i]);
    }
    close(crowd->hold[0]);
    death_watch_free(watch);
}

static void test_dead_when_added(World *w, gconstpointer unused)
{
    (void)unused;
    uint64_t cookie = 0;
    DeathWatch *watch;
    g_assert_cmpint(death_watch_new(&watch), ==, 0);
    Actor a = actor_fork();
    if (a.pid == 0)
        actor_say_and_stay(1);
    actor_hear(&a);
    AUTO_PIDREF Pidref ref = PIDREF_NONE;
    g_assert_cmpint(pidref_open(w->proc, a.pid, &ref), ==, 0);
    actor_kill(&a);
    g_assert_cmpint(death_watch_add_process(watch, ref.fd, 0), ==, 0);
    g_assert_cmpint(death_watch_add_process(watch, ref.fd, 5), ==, -EEXIST);
    g_assert_cmpint(death_watch_add_process(watch, ref.fd, UINT64_MAX), ==, -EINVAL);
    for (int i = 0; i < 2; i++) { /* it stays until it is removed */
        g_assert_cmpint(death_watch_wait(watch, &cookie, 1, -1), ==, 1);
        g_assert_cmpuint(cookie, ==, 0);
    }
    death_watch_remove(watch, ref.fd);
    death_watch_remove(watch, ref.fd);
    g_assert_cmpint(death_watch_wait(watch, &cookie, 1, 0), ==, 0);
    pidref_done(&ref);
    death_watch_free(watch);
}

static void *wait_once(void *data)
{
    uint64_t cookie;
    return GINT_TO_POINTER(death_watch_wait(data, &cookie, 1, -1) + 1);
}

static void test_wake(World *w, gconstpointer unused)
{
    (void)unused;
    (void)w;
    uint64_t cookie;
    DeathWatch *watch;
    pthread_t waiter;
    void *result;
    g_assert_cmpint(death_watch_new(&watch), ==, 0);
    g_assert_cmpint(pthread_create(&waiter, NULL, wait_once, watch), ==, 0);
    death_watch_wake(watch);
    pthread_join(waiter, &result);
    g_assert_cmpint(GPOINTER_TO_INT(result), ==, 1);
    death_watch_wake(watch);
    death_watch_wake(watch);
    g_assert_cmpint(death_watch_wait(watch, &cookie, 1, -1), ==, 0);
    g_assert_cmpint(death_watch_wait(watch, &cookie, 1, 0), ==, 0);
    death_watch_free(watch);
}

static char *make_cgroup(void)
{
    g_autofree char *text = NULL;
    gsize len;
    char root[4096];
    if (!g_file_get_contents("/proc/self/mountinfo", &text, &len, NULL) ||
        !proc_text_cgroup_mount(text, len, root, sizeof root))
        return NULL;
    char *path = g_strdup_printf("%s/lockfs-test-watch-%d", root, getpid());
    if (mkdir(path, 0755) == 0)
        return path;
    g_free(path);
    return NULL;
}

static void test_cgroup(World *w, gconstpointer unused)
{
    (void)unused;
    g_autofree char *cgroup = geteuid() == 0 ? make_cgroup() : NULL;
    if (!cgroup)
        return g_test_skip("cgroups cannot be made here");
    g_autofree char *procs = g_build_filename(cgroup, "cgroup.procs", NULL);
    Actor a = actor_fork();
    if (a.pid == 0) {
        AUTO_FD int fd = open(procs, O_WRONLY);
        actor_say_and_stay(dprintf(fd, "0\n"));
    }
    g_assert_cmpint(actor_hear(&a), ==, 2);
    Identity id = IDENTITY_NONE;
    DeathWatch *watch;
    uint64_t cookie = 0;
    g_assert_cmpint(identity_resolve(w->proc, w->helpers, a.pid, OWNER_SCOPE_CGROUP, &id), ==, 0);
    g_assert_cmpint(death_watch_new(&watch), ==, 0);
    g_assert_cmpint(death_watch_add_cgroup(watch, id.cgroup_events, 42), ==, 0);
    g_assert_cmpint(death_watch_wait(watch, &cookie, 1, 0), ==, 0);
    actor_kill(&a);
    do {
        g_assert_cmpint(death_watch_wait(watch, &cookie, 1, -1), ==, 1);
        g_assert_cmpuint(cookie, ==, 42);
    } while (identity_cgroup_empty(id.cgroup_events) == 0);
    g_assert_cmpint(death_watch_wait(watch, &cookie, 1, 0), ==, 0);
    g_assert_cmpint(identity_cgroup_empty(id.cgroup_events), ==, 1);
    g_assert_cmpint(rmdir(cgroup), ==, 0);
    g_assert_cmpint(identity_cgroup_empty(id.cgroup_events), ==, 1);
    death_watch_remove(watch, id.cgroup_events);
    identity_done(&id);
    death_watch_free(watch);
}

int main(int argc, char **argv)
{
    ACTOR_OR_TEST(argc, argv);
    add_everywhere("/death-watch/crowd", test_crowd);
    add_everywhere("/death-watch/dead-when-added", test_dead_when_added);
    add_everywhere("/death-watch/wake", test_wake);
    add_everywhere("/death-watch/cgroup", test_cgroup);
    return g_test_run();
}
