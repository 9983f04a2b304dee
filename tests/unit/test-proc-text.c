/* The parsers of /proc text, on what kernels write and on what a process can make them write. */
#include "proc/proc-text.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

/* 52 fields, with a name of the caller's choice. */
static char *stat_line(const char *comm, const char *flags)
{
    return g_strdup_printf(
        "4567 (%s) S 4559 4559 3314 34816 4559 %s 99 0 0 0 0 0 0 0 20 0 1 0 112653 3133440 "
        "380 18446744073709551615 11 12 140721723804768 13 14 0 0 0 0 0 0 0 17 1 0 0 "
        "0 0 0 21 22 23 140721723808394 24 140721723808414 25 0\n",
        comm, flags);
}

static bool parse_stat(const char *text, ProcStat *out)
{
    return proc_text_stat(text, strlen(text), out);
}

static void test_stat(void)
{
    static const char *const names[] = {"cat", "a b", ") S 1 1 1", "((",
                                        "))",  "",    "a\nb",      "x) R 2"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *text = stat_line(names[i], "4194304");
        ProcStat stat;
        g_assert_true(parse_stat(text, &stat));
        g_assert_cmpint(stat.pid, ==, 4567);
        g_assert_cmpstr(stat.comm, ==, names[i]);
        g_assert_cmpint(stat.state, ==, 'S');
        g_assert_cmpint(stat.ppid, ==, 4559);
        g_assert_cmpint(stat.session, ==, 3314);
        g_assert_cmpuint(stat.start_time, ==, 112653);
        g_assert_cmpuint(stat.start_stack, ==, 140721723804768);
        g_assert_cmpuint(stat.arg_start, ==, 140721723808394);
        g_assert_cmpuint(stat.env_start, ==, 140721723808414);
        g_assert_false(stat.kernel_thread);
    }
}

static void test_stat_kernel_thread(void)
{
    g_autofree char *text = stat_line("kworker/0:0-events_power_efficient", "69238880");
    g_autofree char *longest = stat_line(
        "0123456789012345678901234567890123456789012345678901234567890123456789", "2097152");
    ProcStat stat;
    g_assert_true(parse_stat(text, &stat));
    g_assert_true(stat.kernel_thread);
    g_assert_true(parse_stat(longest, &stat));
    g_assert_cmpuint(strlen(stat.comm), ==, PROC_COMM_SIZE - 1);
}

/* However a line is cut, it is whole up to its last field we use or it is refused, untouched. */
static void test_stat_cut(void)
{
    g_autofree char *text = stat_line("cat", "0");
    const char *enough = strstr(text, "140721723808414");
    for (size_t len = 0; len < strlen(text); len++) {
        ProcStat stat = {.pid = -7};
        bool good = proc_text_stat(text, len, &stat);
        if (len <= (size_t)(enough - text)) {
            g_assert_false(good);
            g_assert_cmpint(stat.pid, ==, -7);
        }
    }
}

static void test_stat_bad(void)
{
    static const char *const bad[] = {"",
                                      "1",
                                      "1 (x",
                                      "x (y) S 1",
                                      "1 (x) S 1 1 1 1 1 -1 0",
                                      "1 )x( S 1 1 1",
                                      "99999999999 (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 "
                                      "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
                                      "1 (x) 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 "
                                      "1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        ProcStat stat;
        g_test_message("%s", bad[i]);
        g_assert_false(parse_stat(bad[i], &stat));
    }
}

#define STATUS_HEAD                                                                                \
    "Name:\tTgid:\\nUid\nUmask:\t0022\nState:\tS "                                                 \
    "(sleeping)\nTgid:\t100\nNgid:\t0\nPid:\t101\nPPid:\t7\nTracerPid:\t0\n"
#define STATUS_IDS "Uid:\t1\t2\t3\t4294967295\nGid:\t5\t6\t7\t8\nFDSize:\t64\n"

static bool parse_status(const char *text, ProcStatus *out)
{
    return proc_text_status(text, strlen(text), out);
}

static void test_status(void)
{
    ProcStatus status;
    g_assert_true(parse_status(
        STATUS_HEAD STATUS_IDS "Groups:\t1 2 \nNSpid:\t101\t12\t1\nVmPeak:\t1 kB\n", &status));
    g_assert_cmpint(status.tgid, ==, 100);
    g_assert_cmpint(status.ppid, ==, 7);
    g_assert_cmpuint(status.uid, ==, 4294967295U);
    g_assert_cmpuint(status.gid, ==, 8);
    g_assert_cmpint(status.ns_depth, ==, 3);
    g_assert_cmpint(status.ns_pids[0], ==, 101);
    g_assert_cmpint(status.ns_pids[2], ==, 1);
    g_assert_true(parse_status(STATUS_HEAD STATUS_IDS, &status));
    g_assert_cmpint(status.ns_depth, ==, 0);
}

static void test_status_bad(void)
{
    static const char *const bad[] = {"",
                                      "Tgid:\t1\n",
                                      STATUS_HEAD,
                                      STATUS_HEAD "Uid:\t1\t2\t3\nGid:\t5\t6\t7\t8\n",
                                      STATUS_HEAD "Uid:\t1\t2\t3\t4294967296\nGid:\t5\t6\t7\t8\n",
                                      STATUS_HEAD STATUS_IDS "NSpid:\t\n",
                                      STATUS_HEAD STATUS_IDS "NSpid:\t1\tx\n",
                                      "Tgid:\t0\nPPid:\t1\n" STATUS_IDS,
                                      "Tgid:\t-5\nPPid:\t1\n" STATUS_IDS};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        ProcStatus status = {.tgid = -7};
        g_test_message("%s", bad[i]);
        g_assert_false(parse_status(bad[i], &status));
        g_assert_cmpint(status.tgid, ==, -7);
    }
    g_autoptr(GString) deep = g_string_new(STATUS_HEAD STATUS_IDS "NSpid:");
    ProcStatus status;
    for (int i = 0; i < PROC_NS_DEPTH; i++)
        g_string_append(deep, "\t9");
    g_assert_true(parse_status(deep->str, &status));
    g_assert_cmpint(status.ns_depth, ==, PROC_NS_DEPTH);
    g_string_append(deep, "\t9");
    g_assert_false(parse_status(deep->str, &status));
}

static int parse_groups(const char *text, gid_t *groups, int max)
{
    return proc_text_groups(text, strlen(text), groups, max);
}

static void test_groups(void)
{
    gid_t got[3] = {77, 77, 77};
    g_assert_cmpint(parse_groups(STATUS_HEAD "Groups:\t4 24 4294967294 \n", got, 3), ==, 3);
    g_assert_cmpuint(got[2], ==, 4294967294U);
    g_assert_cmpint(parse_groups("Groups:\t \n", got, 3), ==, 0);
    g_assert_cmpint(parse_groups("Groups:\n", got, 0), ==, 0);
    got[0] = 77;
    g_assert_cmpint(parse_groups("Groups:\t1 2 3 4 \n", got, 3), ==, -E2BIG);
    g_assert_cmpint(parse_groups("Groups:\t1 x\n", got, 3), ==, -EINVAL);
    g_assert_cmpint(parse_groups("Groups:\t1 4294967296\n", got, 3), ==, -EINVAL);
    g_assert_cmpint(parse_groups(STATUS_HEAD, got, 3), ==, -EINVAL);
    g_assert_cmpuint(got[0], ==, 77);
}

static void test_cgroup(void)
{
    char path[32] = "as it was";
    const char text[] = "9:name=systemd:/x\n1:cpu:/0::/y\n0::/user.slice/a b\n";
    g_assert_true(proc_text_cgroup(text, strlen(text), path, sizeof path));
    g_assert_cmpstr(path, ==, "/user.slice/a b");
    g_assert_true(proc_text_cgroup("0::/", 4, path, sizeof path));
    g_assert_cmpstr(path, ==, "/");
    g_assert_false(proc_text_cgroup("0::", 3, path, sizeof path));
    g_assert_false(proc_text_cgroup("0::x\n", 5, path, sizeof path));
    g_assert_false(proc_text_cgroup("1:cpu:/\n", 8, path, sizeof path));
    g_assert_false(proc_text_cgroup("0::/abc\n", 8, path, 4));
    g_assert_true(proc_text_cgroup("0::/abc\n", 8, path, 5));
    g_assert_false(proc_text_cgroup("0::/a\0c\n", 8, path, 32));
    g_assert_cmpstr(path, ==, "/abc");
}

static void test_cgroup_mount(void)
{
    static const char text[] =
        "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
        "40 31 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
        "41 31 0:30 / /first rw,relatime shared:1 master:2 - cgroup2 cgroup2 rw\n"
        "42 31 0:30 / /sys/fs/cgroup\\040x\\134 rw - cgroup2 none rw\n"
        "43 31 0:30 /below /elsewhere rw - cgroup2 cgroup2 rw\n"
        "44 31 0:31 / /named-so rw - tmpfs cgroup2 rw\n"
        "45 31 0:31 / /cut rw - \n";
    char path[64];
    g_assert_true(proc_text_cgroup_mount(text, strlen(text), path, sizeof path));
    g_assert_cmpstr(path, ==, "/sys/fs/cgroup x\\");
    g_assert_false(proc_text_cgroup_mount(text, strlen(text), path, 8));
    g_assert_false(proc_text_cgroup_mount(text, 46, path, sizeof path));
    g_assert_false(proc_text_cgroup_mount("", 0, path, sizeof path));
}

static void test_capabilities(void)
{
    uint64_t caps = 7;
    g_assert_false(proc_text_capabilities("Name:\tx\n", 8, &caps));
    g_assert_false(proc_text_capabilities("CapEff:\t\n", 9, &caps));
    g_assert_false(proc_text_capabilities("CapEff:\t0g\n", 11, &caps));
    g_assert_false(proc_text_capabilities("CapEff:\t00000000000000000\n", 26, &caps));
    g_assert_cmpuint(caps, ==, 7);
    g_assert_true(proc_text_capabilities("CapPrm:\t1\nCapEff:\t000001ffFEffffff\n", 35, &caps));
    g_assert_cmphex(caps, ==, 0x1fffeffffff);
}

static void check_proc_mount(const char *text, int hidepid, gid_t gid)
{
    ProcMount mount;
    g_assert_true(proc_text_proc_mount(text, strlen(text), &mount));
    g_assert_cmpint(mount.hidepid, ==, hidepid);
    g_assert_cmpuint(mount.gid, ==, gid);
}

static void test_proc_mount(void)
{
    ProcMount mount;
    check_proc_mount("22 27 0:21 / /proc rw,relatime - proc proc rw\n", 0, 0);
    check_proc_mount("22 27 0:21 / /proc rw shared:1 - proc proc rw,gid=27,hidepid=1\n", 1, 27);
    check_proc_mount("22 27 0:21 / /proc rw - proc proc rw,hidepid=noaccess", 1, 0);
    check_proc_mount("22 27 0:21 / /proc rw - proc proc rw,hidepid=invisible,gid=5", 2, 5);
    check_proc_mount("22 27 0:21 / /proc rw - proc proc hidepid=ptraceable", 4, 0);
    check_proc_mount("22 27 0:21 / /proc rw - proc proc rw,hidepid=off,xhidepid=2", 0, 0);
    check_proc_mount("22 27 0:21 / /proc rw - proc proc rw,hidepid=news,gid=4294967296", 2, 0);
    check_proc_mount("22 27 0:21 / /proc rw - proc proc rw,hidepid=1\n"
                     "23 27 0:21 / /x/proc rw - proc proc rw\n"
                     "24 22 0:22 / /proc rw - proc proc rw,hidepid=2\n",
                     2, 0);
    static const char covered[] = "22 27 0:21 / /proc rw - proc proc rw\n"
                                  "24 22 0:22 / /proc rw - tmpfs proc rw\n";
    g_assert_false(proc_text_proc_mount(covered, strlen(covered), &mount));
    g_assert_false(proc_text_proc_mount("", 0, &mount));
    g_assert_false(proc_text_proc_mount("22 27 0:21 / /proc rw proc", 26, &mount));
}

static void test_argument(void)
{
    static const char text[] = "busybox\0\0mkdir\0last"; /* and the literal's own end */
    const char *arg;
    size_t len;
    static const char *const want[] = {"busybox", "", "mkdir", "last"};
    for (int i = 0; i < 4; i++) {
        g_assert_true(proc_text_argument(text, sizeof text - 1, i, &arg, &len));
        g_assert_cmpmem(arg, len, want[i], strlen(want[i]));
    }
    g_assert_false(proc_text_argument(text, sizeof text, 4, &arg, &len));
    g_assert_false(proc_text_argument("", 0, 0, &arg, &len));
}

static void test_populated(void)
{
    g_assert_cmpint(proc_text_populated("populated 1\nfrozen 0\n", 21), ==, 1);
    g_assert_cmpint(proc_text_populated("frozen 1\npopulated 0\n", 21), ==, 0);
    g_assert_cmpint(proc_text_populated("populated 2\n", 12), ==, -EINVAL);
    g_assert_cmpint(proc_text_populated("populated \n", 11), ==, -EINVAL);
    g_assert_cmpint(proc_text_populated("populated 0x\n", 13), ==, -EINVAL);
    g_assert_cmpint(proc_text_populated("frozen 1\n", 9), ==, -EINVAL);
    g_assert_cmpint(proc_text_populated("", 0), ==, -EINVAL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/proc-text/stat", test_stat);
    g_test_add_func("/proc-text/stat-kernel-thread", test_stat_kernel_thread);
    g_test_add_func("/proc-text/stat-cut", test_stat_cut);
    g_test_add_func("/proc-text/stat-bad", test_stat_bad);
    g_test_add_func("/proc-text/status", test_status);
    g_test_add_func("/proc-text/status-bad", test_status_bad);
    g_test_add_func("/proc-text/groups", test_groups);
    g_test_add_func("/proc-text/cgroup", test_cgroup);
    g_test_add_func("/proc-text/cgroup-mount", test_cgroup_mount);
    g_test_add_func("/proc-text/capabilities", test_capabilities);
    g_test_add_func("/proc-text/proc-mount", test_proc_mount);
    g_test_add_func("/proc-text/argument", test_argument);
    g_test_add_func("/proc-text/populated", test_populated);
    return g_test_run();
}
