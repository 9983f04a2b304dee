/* The mount table: finding a filesystem's type by its device in the text of mountinfo. */
#include "daemon/mount-table.h"

#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char table[] =
    "22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw\n"
    "28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
    "40 28 0:35 / /a\\040b\\040-\\040c rw - fuse.lockfs /srv/x\\040-\\040y rw,user_id=0\n"
    "41 28 0:36 / /tags rw shared:1 master:2 propagate_from:3 - fuse.other none rw\n"
    "42 28 0:37 /sub /bind rw,relatime - fuse.lockfs none rw";

static void expect_type(const char *text, unsigned major_no, unsigned minor_no, const char *type)
{
    g_autofree char *found = mount_table_type_in(text, makedev(major_no, minor_no));
    g_assert_cmpstr(found, ==, type);
}

static void test_found(void)
{
    expect_type(table, 0, 21, "proc");
    expect_type(table, 254, 0, "ext4");
    expect_type(table, 0, 35, "fuse.lockfs");
    expect_type(table, 0, 36, "fuse.other");
    expect_type(table, 0, 37, "fuse.lockfs");
}

static void test_not_found(void)
{
    expect_type(table, 0, 99, NULL);
    expect_type(table, 21, 0, NULL);
    expect_type("", 0, 21, NULL);
    expect_type("\n\n", 0, 0, NULL);
}

static void test_other_text(void)
{
    expect_type("nonsense\n22 28 0:21\n22 28 0:21 / /x rw\n", 0, 21, NULL);
    expect_type("22 28 0:21 / /x rw - ", 0, 21, "");
    expect_type("x 28 0:21 / /x rw - a b c\n23 28 0:21 / /x rw - proc p rw\n", 0, 21, "proc");
    expect_type("22 28 0:21 / /x rw -\n23 28 0:21 / /y rw - proc p rw\n", 0, 21, "proc");
}

static void test_this_system(void)
{
    struct stat st;
    g_assert_cmpint(stat("/proc", &st), ==, 0);
    g_autofree char *type = mount_table_type(st.st_dev);
    g_assert_cmpstr(type, ==, "proc");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mount-table/found", test_found);
    g_test_add_func("/mount-table/not-found", test_not_found);
    g_test_add_func("/mount-table/other-text", test_other_text);
    g_test_add_func("/mount-table/this-system", test_this_system);
    return g_test_run();
}
