/* The table of nodes on a real directory: references, renames, eviction of descriptors, files
 * without a name, what changed behind. */
#include "base/fd.h"
#include "base/tree.h"
#include "store/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_NODES 2000

typedef struct {
    char *path;
    int file;
    Names names;
    Creds creds;
    Store store;
    Caller self;
    Node *root;
} World;

static int no_groups(const void *ctx, pid_t tid, gid_t *groups, int max)
{
    return 0;
}

static void world_open(World *w, gconstpointer in_place)
{
    w->path = g_dir_make_tmp("lockfs-store-XXXXXX", NULL);
    int root = open(w->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    w->file = slot_file_new("test");
    g_assert_cmpint(names_init(&w->names, w->file, 0, 1ULL << 43, MAX_NODES), ==, 0);
    creds_init(&w->creds, no_groups, NULL);
    w->store.creds = &w->creds;
    const SlotPlace places[] = {{NAMES_FILE_SPAN, sizeof(Node)},
                                {NAMES_FILE_SPAN + (1ULL << 40), sizeof(Handle)}};
    g_assert_cmpint(
        store_init(&w->store, root, in_place != NULL, &w->names, w->file, places, MAX_NODES, 1024),
        ==, 0);
    w->self = creds_daemon(&w->creds);
    w->root = node_root(&w->store);
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void world_close(World *w, gconstpointer in_place)
{
    store_close_all(&w->store);
    store_done(&w->store);
    names_done(&w->names);
    close(w->file);
    g_assert_cmpint(tree_remove(AT_FDCWD, w->path), ==, 0);
    g_free(w->path);
}

/* --- what a kernel would do --- */

static Node *look(World *w, Node *dir, const char *name)
{
    struct stat st;
    int r = source_stat_at(&w->store, dir, name, &st);
    g_assert_cmpint(r, ==, 0);
    Node *node = node_intern(&w->store, dir, name, &st);
    g_assert_nonnull(node);
    node_look(node);
    return node;
}

static Node *make_dir(World *w, Node *dir, const char *name)
{
    g_assert_cmpint(source_mkdir(&w->store, &w->self, dir, name, 0700), ==, 0);
    return look(w, dir, name);
}

static Node *make_file(World *w, Node *dir, const char *name, const char *text)
{
    AUTO_FD int fd = source_create(&w->store, &w->self, dir, name, O_WRONLY | O_EXCL, 0600);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (ssize_t)strlen(text));
    return look(w, dir, name);
}

static int remove_name(World *w, Node *dir, const char *name, Node *node)
{
    struct stat st;
    g_assert_cmpint(source_stat_at(&w->store, dir, name, &st), ==, 0);
    bool is_dir = S_ISDIR(st.st_mode);
    node_before_removal(&w->store, node, dir, name, false);
    int r = source_remove(&w->store, &w->self, dir, name, is_dir);
    if (r == 0)
        node_after_removal(&w->store, node, dir, name, is_dir || st.st_nlink == 1);
    return r;
}

static void rename_name(World *w, Node *node, Node *dir, const char *name, Node *to,
                        const char *new_name)
{
    g_assert_cmpint(source_rename(&w->store, &w->self, dir, name, to, new_name, 0), ==, 0);
    g_assert_true(node_move(&w->store, node, to, new_name));
}

static void assert_text(World *w, Node *node, const char *want)
{
    char text[64] = "";
    AUTO_FD int fd = source_open(&w->store, &w->self, node, O_RDONLY);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(read(fd, text, sizeof text - 1), >=, 0);
    g_assert_cmpstr(text, ==, want);
}

static void forget(World *w, Node *node, uint64_t count)
{
    uint64_t id = node_id(&w->store, node);
    uint64_t left = node->lookups - count;
    uint32_t pins = node->pins;
    node_forget(&w->store, node, count);
    g_assert_true((node_by_id(&w->store, id) != NULL) == (left || pins));
}

/* --- references --- */

static void test_references(World *w, gconstpointer in_place)
{
    Node *file = make_file(w, w->root, "a", "text");
    uint64_t id = node_id(&w->store, file);
    g_assert_true(look(w, w->root, "a") == file);
    g_assert_true(node_by_id(&w->store, id) == file);
    g_assert_true(node_by_ino(&w->store, file->dev, file->ino) == file);
    node_pin(file);
    forget(w, file, 1);
    forget(w, file, 1);
    g_assert_true(node_by_id(&w->store, id) == file); /* pinned */
    node_unpin(&w->store, file);
    g_assert_null(node_by_id(&w->store, id));
    file = look(w, w->root, "a");
    g_assert_cmpuint(node_id(&w->store, file), !=, id); /* another use of the number's slot */
    g_assert_null(node_by_id(&w->store, id));
    g_assert_null(node_by_ino(&w->store, file->dev, file->ino + 1));
    forget(w, file, 1);
    g_assert_cmpuint(w->store.nodes.live, ==, 1);
}

static void test_root_stays(World *w, gconstpointer in_place)
{
    g_assert_true(node_by_id(&w->store, STORE_ROOT_ID) == w->root);
    g_assert_cmpuint(node_id(&w->store, w->root), ==, STORE_ROOT_ID);
    node_forget(&w->store, w->root, 1000);
    node_settle(&w->store, w->root);
    g_assert_true(node_by_id(&w->store, STORE_ROOT_ID) == w->root);
    g_assert_cmpint(reach_dir(&w->store, w->root), >=, 0);
    g_assert_null(node_by_id(&w->store, 0));
    g_assert_null(node_by_id(&w->store, 2));
    g_assert_null(node_by_id(&w->store, UINT64_MAX));
}

/* More is forgotten than was looked up: no wrap, and no life after. */
static void test_forget_too_much(World *w, gconstpointer in_place)
{
    Node *file = make_file(w, w->root, "a", "");
    uint64_t id = node_id(&w->store, file);
    node_forget(&w->store, file, UINT64_MAX);
    g_assert_null(node_by_id(&w->store, id));
}

/* Children hold the chain of their parents; the last one takes it all along. */
static void test_chain(World *w, gconstpointer in_place)
{
    Node *dir = w->root, *nodes[100];
    for (unsigned i = 0; i < 100; i++)
        nodes[i] = dir = make_dir(w, dir, "d");
    Node *leaf = make_file(w, dir, "leaf", "deep");
    for (unsigned i = 0; i < 100; i++)
        node_forget(&w->store, nodes[i], 1);
    g_assert_cmpuint(w->store.nodes.live, ==, 102);
    assert_text(w, leaf, "deep");
    g_assert_true(node_is_below(&w->store, leaf, nodes[3]));
    g_assert_false(node_is_below(&w->store, nodes[3], leaf));
    node_forget(&w->store, leaf, 1);
    g_assert_cmpuint(w->store.nodes.live, ==, 1);
    g_assert_cmpuint(w->names.classes[0].live, ==, 0);
}

static void test_no_room(World *w, gconstpointer in_place)
{
    Node *file = make_file(w, w->root, "a", "");
    struct stat st = {.st_mode = S_IFREG, .st_dev = 7};
    unsigned made = 0;
    for (st.st_ino = 1; node_intern(&w->store, w->root, "x", &st); st.st_ino++)
        made++;
    g_assert_cmpuint(made, >, 1000);
    uint32_t live = w->store.nodes.live;
    g_assert_null(node_intern(&w->store, w->root, "y", &st));
    g_assert_cmpuint(w->store.nodes.live, ==, live);
    g_assert_true(look(w, w->root, "a") == file); /* what is known goes on */
}

/* --- names --- */

static void test_rename(World *w, gconstpointer in_place)
{
    Node *a = make_dir(w, w->root, "a"), *b = make_dir(w, w->root, "b");
    Node *sub = make_dir(w, a, "sub"), *file = make_file(w, sub, "file", "text");
    rename_name(w, sub, a, "sub", b, "moved");
    assert_text(w, file, "text");
    g_assert_true(node_is_below(&w->store, file, b));
    g_assert_false(node_is_below(&w->store, file, a));
    rename_name(w, file, sub, "file", w->root, "file2");
    assert_text(w, file, "text");
    g_assert_true(look(w, w->root, "file2") == file);
    g_assert_cmpint(remove_name(w, b, "moved", sub), ==, 0);
    g_assert_cmpint(remove_name(w, w->root, "b", b), ==, 0);
    node_forget(&w->store, b, 1);
    assert_text(w, file, "text");
}

/* One file, two names: it is reached by the one seen last, and by the other when that goes. */
static void test_hard_links(World *w, gconstpointer in_place)
{
    Node *file = make_file(w, w->root, "one", "text"), *dir = make_dir(w, w->root, "d");
    g_assert_cmpint(source_link(&w->store, &w->self, file, dir, "two"), ==, 0);
    g_assert_true(look(w, dir, "two") == file);
    g_assert_cmpint(remove_name(w, w->root, "one", file), ==, 0);
    assert_text(w, file, "text");
    g_assert_cmpint(source_link(&w->store, &w->self, file, w->root, "three"), ==, 0);
    g_assert_cmpint(remove_name(w, dir, "two", file), ==, 0); /* the name it is known by */
    assert_text(w, file, "text");
    g_assert_true(look(w, w->root, "three") == file);
    assert_text(w, file, "text");
}

/* --- descriptors --- */

static void test_eviction(World *w, gconstpointer in_place)
{
    Node *dirs[40], *files[40], *dir = w->root;
    char name[16];
    w->store.lru_max = 2;
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "d%u", i);
        dirs[i] = make_dir(w, i % 4 ? dir : w->root, name);
        files[i] = make_file(w, dirs[i], "file", name);
        dir = dirs[i];
    }
    unsigned before = open_descriptors();
    for (unsigned round = 0; round < 200; round++) {
        unsigned i = (unsigned)g_test_rand_int_range(0, 40);
        snprintf(name, sizeof name, "d%u", i);
        assert_text(w, files[i], name);
        g_assert_cmpuint(w->store.lru_count, <=, 2);
        g_assert_cmpuint(open_descriptors(), <=, before + 2);
    }
    rename_name(w, dirs[0], w->root, "d0", w->root, "elsewhere");
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "d%u", i);
        assert_text(w, files[i], name);
    }
}

/* Gives back half at a time, down to the few that one operation needs; all are found again. */
static void test_shrink(World *w, gconstpointer in_place)
{
    Node *dirs[100];
    char name[16];
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "d%u", i);
        dirs[i] = make_dir(w, w->root, name);
        make_file(w, dirs[i], "file", "");
    }
    unsigned before = open_descriptors();
    uint32_t had = w->store.lru_count;
    g_assert_cmpuint(had, ==, 100);
    g_assert_true(store_shrink(&w->store));
    g_assert_cmpuint(w->store.lru_count, ==, 50);
    while (store_shrink(&w->store))
        g_assert_cmpuint(w->store.lru_count, <, had);
    g_assert_cmpuint(w->store.lru_count, <, 20);
    g_assert_cmpuint(open_descriptors(), ==, before - had + w->store.lru_count);
    for (unsigned i = 0; i < 100; i++)
        g_assert_cmpint(reach_dir(&w->store, dirs[i]), >=, 0);
}

/* --- without a name --- */

static void test_unlinked(World *w, gconstpointer in_place)
{
    struct stat st;
    Node *file = make_file(w, w->root, "a", "text"), *dir = make_dir(w, w->root, "d");
    uint64_t dev = file->dev, ino = file->ino;
    g_assert_cmpint(remove_name(w, w->root, "a", file), ==, 0);
    assert_text(w, file, "text");
    g_assert_cmpint(source_stat(&w->store, file, NULL, &st), ==, 0);
    g_assert_cmpuint(st.st_nlink, ==, 0);
    g_assert_null(node_by_ino(&w->store, dev, ino)); /* the number may be given away */
    g_assert_cmpint(remove_name(w, w->root, "d", dir), ==, 0);
    g_assert_cmpint(source_stat(&w->store, dir, NULL, &st), ==, 0);
    g_assert_cmpint(source_mkdir(&w->store, &w->self, dir, "x", 0700), ==, -ENOENT);
    node_forget(&w->store, file, 1);
    node_forget(&w->store, dir, 1);
    g_assert_cmpuint(w->store.nodes.live, ==, 1);
}

static void test_unlinked_but_open(World *w, gconstpointer in_place)
{
    struct stat st;
    uint64_t fh;
    Node *file = make_file(w, w->root, "a", "text");
    int fd = source_open(&w->store, &w->self, file, O_RDWR);
    Handle *handle = handle_new(&w->store, file, fd, 0, &fh);
    g_assert_true(handle_by_id(&w->store, fh) == handle);
    g_assert_cmpint(remove_name(w, w->root, "a", file), ==, 0);
    g_assert_cmpint(source_stat(&w->store, file, handle, &st), ==, 0);
    g_assert_cmpint(source_stat(&w->store, file, NULL, &st), ==, 0);
    assert_text(w, file, "text");
    node_forget(&w->store, file, 1);
    g_assert_nonnull(handle_by_id(&w->store, fh)); /* the handle holds the node */
    handle_free(&w->store, handle);
    g_assert_null(handle_by_id(&w->store, fh));
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
    g_assert_cmpuint(w->store.nodes.live, ==, 1);
}

/* Nobody has looked since it was made: no descriptor is spent on it, and it is not reached again.
 */
static void test_unlinked_unseen(World *w, gconstpointer in_place)
{
    struct stat st;
    Node *file = make_file(w, w->root, "a", "text");
    unsigned before = open_descriptors();
    node_before_removal(&w->store, file, w->root, "a", true);
    g_assert_cmpint(source_remove(&w->store, &w->self, w->root, "a", false), ==, 0);
    node_after_removal(&w->store, file, w->root, "a", true);
    g_assert_cmpuint(open_descriptors(), ==, before);
    g_assert_cmpint(source_stat(&w->store, file, NULL, &st), ==, -ESTALE);
}

/* Inode numbers come back at once on many filesystems: the old node must not be taken for the new.
 */
static void test_number_comes_back(World *w, gconstpointer in_place)
{
    Node *file = make_file(w, w->root, "a", "old");
    struct stat st;
    g_assert_cmpint(source_stat(&w->store, file, NULL, &st), ==, 0);
    Node *again = node_intern_new(&w->store, w->root, "b", &st);
    g_assert_true(again != file);
    g_assert_true(node_by_ino(&w->store, st.st_dev, st.st_ino) == again);
    st.st_mode = S_IFDIR | 0700;
    Node *dir = node_intern(&w->store, w->root, "c", &st);
    g_assert_true(dir != again && dir != file);
    node_forget(&w->store, file, 1); /* not indexed any more: the new one is still found */
    g_assert_true(node_by_ino(&w->store, st.st_dev, st.st_ino) == dir);
}

static void test_sever(World *w, gconstpointer in_place)
{
    Node *dir = make_dir(w, w->root, "d"), *sub = make_dir(w, dir, "sub");
    Node *file = make_file(w, sub, "file", "text"), *beside = make_file(w, w->root, "x", "");
    g_assert_false(node_is_severed(&w->store, file));
    node_sever(&w->store, dir);
    node_sever(&w->store, dir);
    g_assert_true(node_is_severed(&w->store, dir));
    g_assert_true(node_is_severed(&w->store, file));
    g_assert_false(node_is_severed(&w->store, beside));
    g_assert_cmpuint(w->store.severed, ==, 1);
    struct stat st;
    g_assert_cmpint(source_stat_at(&w->store, w->root, "d", &st), ==, 0);
    g_assert_true(node_intern(&w->store, w->root, "d", &st) != dir);
    node_forget(&w->store, file, 1);
    node_forget(&w->store, sub, 1);
    node_forget(&w->store, dir, 1);
    g_assert_cmpuint(w->store.severed, ==, 0);
}

/* --- changed behind the mount --- */

static char *behind(const World *w, const char *name)
{
    return g_build_filename(w->path, name, NULL);
}

static void test_replaced_behind(World *w, gconstpointer in_place)
{
    struct stat st;
    Node *file = make_file(w, w->root, "a", "old"), *dir = make_dir(w, w->root, "d");
    Node *inside = make_file(w, dir, "f", "old");
    reach_drop_fd(&w->store, dir);
    g_autofree char *a = behind(w, "a"), *d = behind(w, "d"), *kept = behind(w, "kept");
    g_autofree char *old = behind(w, "old");
    g_assert_cmpint(rename(a, old), ==, 0); /* the number is not free */
    g_assert_true(g_file_set_contents(a, "new", 3, NULL));
    g_assert_cmpint(rename(d, kept), ==, 0);
    g_assert_cmpint(mkdir(d, 0700), ==, 0);
    g_assert_cmpint(source_open(&w->store, &w->self, file, O_RDONLY), ==, -ESTALE);
    g_assert_cmpint(reach_open_path(&w->store, file), ==, -ESTALE);
    g_assert_cmpint(reach_dir(&w->store, dir), ==, -ESTALE);
    g_assert_cmpint(source_open(&w->store, &w->self, inside, O_RDONLY), ==, -ESTALE);
    g_assert_cmpint(source_stat(&w->store, inside, NULL, &st), ==, -ESTALE);
    g_assert_true(look(w, w->root, "a") != file);
    assert_text(w, look(w, w->root, "a"), "new");
}

static void test_gone_behind(World *w, gconstpointer in_place)
{
    struct stat st;
    Node *file = make_file(w, w->root, "a", "old"), *dir = make_dir(w, w->root, "d");
    reach_drop_fd(&w->store, dir);
    g_autofree char *a = behind(w, "a"), *d = behind(w, "d");
    g_assert_cmpint(unlink(a), ==, 0);
    g_assert_cmpint(rmdir(d), ==, 0);
    g_assert_true(g_file_set_contents(d, "", 0, NULL)); /* not a directory any more */
    g_assert_cmpint(source_stat(&w->store, file, NULL, &st), <, 0);
    g_assert_cmpint(reach_open_path(&w->store, file), ==, -ESTALE);
    g_assert_cmpint(reach_dir(&w->store, dir), ==, -ESTALE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, in_place, test)                                                                  \
    g_test_add("/store/" name, World, in_place, world_open, test, world_close)
#define ADD_BOTH(name, test)                                                                       \
    ADD(name "/in-place", GINT_TO_POINTER(1), test);                                               \
    ADD(name "/apart", NULL, test)
    ADD_BOTH("references", test_references);
    ADD_BOTH("root-stays", test_root_stays);
    ADD_BOTH("forget-too-much", test_forget_too_much);
    ADD_BOTH("chain", test_chain);
    ADD_BOTH("no-room", test_no_room);
    ADD_BOTH("rename", test_rename);
    ADD_BOTH("hard-links", test_hard_links);
    ADD_BOTH("eviction", test_eviction);
    ADD_BOTH("shrink", test_shrink);
    ADD_BOTH("unlinked", test_unlinked);
    ADD_BOTH("unlinked-but-open", test_unlinked_but_open);
    ADD_BOTH("unlinked-unseen", test_unlinked_unseen);
    ADD_BOTH("number-comes-back", test_number_comes_back);
    ADD_BOTH("sever", test_sever);
    ADD("replaced-behind", NULL, test_replaced_behind);
    ADD("gone-behind", NULL, test_gone_behind);
    return g_test_run();
}
