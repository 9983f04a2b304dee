/* Deleting a tree by descriptors: all of it, nothing outside it, however deep, and on after a
 * failure. */
#include "base/tree.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *path;
    int fd;
} Place;

static void place_open(Place *place, gconstpointer unused)
{
    (void)unused;
    place->path = g_dir_make_tmp("lockfs-tree-XXXXXX", NULL);
    g_assert_nonnull(place->path);
    place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(place->fd, >=, 0);
}

static void place_close(Place *place, gconstpointer unused)
{
    (void)unused;
    g_assert_cmpint(tree_remove(AT_FDCWD, place->path), ==, 0);
    g_assert_cmpint(access(place->path, F_OK), !=, 0);
    close(place->fd);
    g_free(place->path);
}

static void make_file(int dir, const char *name)
{
    AUTO_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, "x", 1), ==, 1);
}

static int make_dir(int dir, const char *name)
{
    g_assert_cmpint(mkdirat(dir, name, 0700), ==, 0);
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static bool is_there(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_single(Place *place, gconstpointer unused)
{
    (void)unused;
    g_assert_cmpint(tree_remove(place->fd, "missing"), ==, 0);
    make_file(place->fd, "file");
    g_assert_cmpint(symlinkat("nowhere", place->fd, "dangling"), ==, 0);
    g_assert_cmpint(mkfifoat(place->fd, "fifo", 0600), ==, 0);
    close(make_dir(place->fd, "empty"));
    const char *const names[] = {"file", "dangling", "fifo", "empty"};
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_cmpint(tree_remove(place->fd, names[i]), ==, 0);
        g_assert_false(is_there(place->fd, names[i]));
    }
}

static void test_wide(Place *place, gconstpointer unused)
{
    (void)unused;
    AUTO_FD int top = make_dir(place->fd, "top");
    for (int i = 0; i < 2000; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s%d", i % 2 ? "f" : "d", i);
        if (i % 2) {
            make_file(top, name);
        } else {
            AUTO_FD int inner = make_dir(top, name);
            make_file(inner, "member\nwith newline");
        }
    }
    g_assert_cmpint(tree_remove(place->fd, "top"), ==, 0);
    g_assert_false(is_there(place->fd, "top"));
}

/* Deeper than a path can be, with few descriptors beyond those of the levels. */
static void test_deep(Place *place, gconstpointer unused)
{
    (void)unused;
    int fd = make_dir(place->fd, "top");
    for (int i = 0; i < 500; i++) {
        int inner = make_dir(fd, "a rather long name for a directory");
        make_file(fd, "beside");
        close(fd);
        fd = inner;
    }
    close(fd);
    g_assert_cmpint(tree_remove(place->fd, "top"), ==, 0);
    g_assert_false(is_there(place->fd, "top"));
}

static void test_links_are_not_followed(Place *place, gconstpointer unused)
{
    (void)unused;
    AUTO_FD int outside = make_dir(place->fd, "outside");
    AUTO_FD int top = make_dir(place->fd, "top");
    make_file(outside, "kept");
    g_assert_cmpint(symlinkat("../outside", top, "link"), ==, 0);
    g_assert_cmpint(symlinkat("outside", place->fd, "direct"), ==, 0);
    g_assert_cmpint(tree_remove(place->fd, "top"), ==, 0);
    g_assert_cmpint(tree_remove(place->fd, "direct"), ==, 0);
    g_assert_false(is_there(place->fd, "top"));
    g_assert_false(is_there(place->fd, "direct"));
    g_assert_true(is_there(outside, "kept"));
}

/* The first error is told, and the rest is gone all the same. No descriptor stays open. */
static void test_goes_on_after_failure(Place *place, gconstpointer unused)
{
    (void)unused;
    AUTO_FD int top = make_dir(place->fd, "top");
    for (int i = 0; i < 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d", i);
        AUTO_FD int inner = make_dir(top, name);
        make_file(inner, "member");
    }
    struct rlimit old;
    getrlimit(RLIMIT_NOFILE, &old);
    int highest = dup(top); /* room for the top directory, and for none below */
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)highest + 1, old.rlim_max});
    close(highest);
    int r = tree_remove(place->fd, "top");
    setrlimit(RLIMIT_NOFILE, &old);
    g_assert_cmpint(r, ==, -EMFILE);
    g_assert_true(is_there(top, "d7"));
    int now = dup(top);
    g_assert_cmpint(now, ==, highest);
    close(now);
    g_assert_cmpint(tree_remove(place->fd, "top"), ==, 0);
    g_assert_false(is_there(place->fd, "top"));
}

static void test_bytes(Place *place, gconstpointer unused)
{
    (void)unused;
    char block[8192] = "x";
    AUTO_FD int dir = make_dir(place->fd, "dir");
    g_assert_cmpint(symlinkat("/usr", dir, "link"), ==, 0);
    int64_t before = tree_bytes(place->fd, "dir");
    AUTO_FD int file = openat(dir, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    g_assert_cmpint(write(file, block, sizeof block), ==, sizeof block);
    g_assert_cmpint(fsync(file), ==, 0);
    g_assert_cmpint(tree_bytes(place->fd, "dir") - before, >=, sizeof block);
    g_assert_cmpint(before, <, 1 << 20); /* what the link points to is not counted */
    g_assert_cmpint(tree_bytes(place->fd, "missing"), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add(path, Place, NULL, place_open, test, place_close)
    ADD("/tree/single", test_single);
    ADD("/tree/wide", test_wide);
    ADD("/tree/deep", test_deep);
    ADD("/tree/links-are-not-followed", test_links_are_not_followed);
    ADD("/tree/goes-on-after-failure", test_goes_on_after_failure);
    ADD("/tree/bytes", test_bytes);
    return g_test_run();
}
