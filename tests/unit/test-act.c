/* Acts on a real directory, as the next process finds them: not executed, executed and not noted,
 * noted; asked for again, or given up. */
#include "base/tree.h"
#include "store/act.h"
#include "store/source.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

#define MAX_NODES 1000
#define NAMES_AT (1ULL << 32)

typedef struct {
    char *path;
    int file, root_fd, fd;
    Names names;
    Creds creds;
    Journal journal;
    Store store;
    Caller self;
    Node *root;
} World;

static int no_groups(const void *ctx, pid_t tid, gid_t *groups, int max)
{
    return 0;
}

static void attach(World *w)
{
    const SlotPlace places[] = {{NAMES_AT + NAMES_FILE_SPAN, sizeof(Node)},
                                {NAMES_AT + NAMES_FILE_SPAN + (1ULL << 40), sizeof(Handle)}};
    w->store = (Store){.creds = &w->creds};
    g_assert_cmpint(journal_init(&w->journal, w->file, 0), ==, 0);
    g_assert_cmpint(names_init(&w->names, w->file, NAMES_AT, 1ULL << 43, MAX_NODES), ==, 0);
    g_assert_cmpint(
        store_init(&w->store, w->root_fd, true, &w->names, w->file, places, MAX_NODES, 1024), ==,
        0);
    for (unsigned c = 0; c < NAMES_CLASSES; c++)
        journal_add(&w->journal, &w->names.classes[c]);
    journal_add(&w->journal, &w->store.nodes);
    journal_add(&w->journal, &w->store.handles);
    w->store.journal = &w->journal;
    w->root = node_root(&w->store);
}

static void detach(World *w)
{
    journal_done(&w->journal);
    store_done(&w->store);
    names_done(&w->names);
}

static void put(World *w, const char *name)
{
    g_autofree char *path = g_build_filename(w->path, name, NULL);
    g_assert_true(g_file_set_contents(path, name, -1, NULL));
}

static void world_open(World *w, gconstpointer unused)
{
    w->path = g_dir_make_tmp("lockfs-act-XXXXXX", NULL);
    w->root_fd = open(w->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    w->file = slot_file_new("test");
    w->fd = -1;
    creds_init(&w->creds, no_groups, NULL);
    attach(w);
    w->self = creds_daemon(&w->creds);
    put(w, "old");
    put(w, "other");
    g_assert_cmpint(mkdirat(w->root_fd, "dir", 0700), ==, 0);
}

static void world_close(World *w, gconstpointer unused)
{
    detach(w);
    if (w->fd >= 0)
        close(w->fd);
    close(w->file);
    close(w->root_fd);
    g_assert_cmpint(tree_remove(AT_FDCWD, w->path), ==, 0);
    g_free(w->path);
}

static bool is_free(void *ctx, int fd)
{
    const World *w = ctx;
    return fd != w->file && fd != w->root_fd;
}

/* The next process, which has the descriptors and the file. */
static void die(World *w)
{
    detach(w);
    attach(w);
    g_assert_true(journal_is_undecided(&w->journal));
    journal_rollback(&w->journal);
    store_recover(&w->store);
    act_recover(&w->store, is_free, w);
    journal_resume(&w->journal);
}

static Node *look(World *w, const char *name)
{
    struct stat st;
    g_assert_cmpint(source_stat_at(&w->store, w->root, name, &st), ==, 0);
    return node_intern(&w->store, w->root, name, &st);
}

static int remove_seen(World *w, const char *name, bool is_dir)
{
    look(w, name);
    return source_remove(&w->store, &w->self, w->root, name, is_dir);
}

static int ask_mkdir(World *w)
{
    return source_mkdir(&w->store, &w->self, w->root, "new", 0700);
}

static int ask_mknod(World *w)
{
    return source_mknod(&w->store, &w->self, w->root, "new", S_IFIFO | 0600, 0);
}

static int ask_symlink(World *w)
{
    return source_symlink(&w->store, &w->self, "target", w->root, "new");
}

static int ask_link(World *w)
{
    return source_link(&w->store, &w->self, look(w, "old"), w->root, "new");
}

static int ask_create(World *w)
{
    int r = source_create(&w->store, &w->self, w->root, "new", O_RDWR | O_EXCL, 0);
    w->fd = r;
    return r < 0 ? r : 0;
}

static int ask_unlink(World *w)
{
    return remove_seen(w, "old", false);
}

static int ask_rmdir(World *w)
{
    return remove_seen(w, "dir", true);
}

static int ask_rename(World *w)
{
    return source_rename(&w->store, &w->self, w->root, "old", w->root, "new", 0);
}

static int ask_replace(World *w)
{
    return source_rename(&w->store, &w->self, w->root, "old", w->root, "other", 0);
}

static int ask_exchange(World *w)
{
    return source_rename(&w->store, &w->self, w->root, "old", w->root, "dir", RENAME_EXCHANGE);
}

typedef struct {
    const char *name;
    int (*ask)(World *w);
    ActOp op;
    unsigned flags;
    const char *place, *new_place;
    const char *after;    /* the names there, sorted, when it was done */
    const char *forsaken; /* and when it was done and given up */
} Case;

#define BEFORE "dir old other "

static const Case cases[] = {
    {"mkdir", ask_mkdir, ACT_OP_MKDIR, 0, "new", NULL, "dir new old other ", BEFORE},
    {"mknod", ask_mknod, ACT_OP_MKNOD, 0, "new", NULL, "dir new old other ", BEFORE},
    {"symlink", ask_symlink, ACT_OP_SYMLINK, 0, "new", NULL, "dir new old other ", BEFORE},
    {"link", ask_link, ACT_OP_LINK, 0, "new", NULL, "dir new old other ", BEFORE},
    {"create", ask_create, ACT_OP_CREATE, O_RDWR | O_EXCL, "new", NULL, "dir new old other ",
     BEFORE},
    {"unlink", ask_unlink, ACT_OP_UNLINK, 0, "old", NULL, "dir other ", "dir other "},
    {"rmdir", ask_rmdir, ACT_OP_RMDIR, 0, "dir", NULL, "old other ", "old other "},
    {"rename", ask_rename, ACT_OP_RENAME, 0, "old", "new", "dir new other ", BEFORE},
    {"replace", ask_replace, ACT_OP_RENAME, 0, "old", "other", "dir other ", "dir other "},
    {"exchange", ask_exchange, ACT_OP_RENAME, RENAME_EXCHANGE, "old", "dir", BEFORE, BEFORE},
};

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void assert_names(const World *w, const char *want)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) got = g_string_new(NULL);
    GDir *dir = g_dir_open(w->path, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(dir)))
        g_ptr_array_add(names, g_strdup(name));
    g_dir_close(dir);
    g_ptr_array_sort(names, by_text);
    for (guint i = 0; i < names->len; i++)
        g_string_append_printf(got, "%s ", (char *)g_ptr_array_index(names, i));
    g_assert_cmpstr(got->str, ==, want);
}

static void only_begin(World *w, const Case *c)
{
    int r;
    if (c->op == ACT_OP_UNLINK || c->op == ACT_OP_RMDIR)
        look(w, c->place);
    bool done = c->new_place ? act_begin_rename(&w->store, w->root, c->place, w->root, c->new_place,
                                                c->flags, &r)
                             : act_begin(&w->store, c->op, c->flags, w->root, c->place, &r);
    g_assert_false(done);
}

static void test_not_executed(World *w, gconstpointer data)
{
    const Case *c = data;
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    only_begin(w, c);
    die(w);
    g_assert_false(w->store.replaying);
    g_assert_cmpint(c->ask(w), ==, 0);
    assert_names(w, c->after);
}

/* The process died right after the system call. */
static void forget_result(World *w)
{
    JournalAct *act = journal_act(&w->journal);
    act->state = ACT_STATE_BEGUN;
    act->result = 0;
}

static void ask_again(World *w, const Case *c)
{
    struct stat st;
    die(w);
    g_assert_true(w->store.replaying);
    bool stood = c->op == ACT_OP_UNLINK || c->op == ACT_OP_RMDIR || c->op == ACT_OP_RENAME;
    g_assert_cmpint(source_stat_at(&w->store, w->root, c->place, &st), ==, stood ? 0 : -ENOENT);
    g_assert_cmpint(c->ask(w), ==, 0);
    g_assert_false(w->store.replaying);
    assert_names(w, c->after);
}

static void test_not_noted(World *w, gconstpointer data)
{
    const Case *c = data;
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    g_assert_cmpint(c->ask(w), ==, 0);
    int fd = w->fd;
    forget_result(w);
    ask_again(w, c);
    g_assert_cmpint(w->fd, ==, fd); /* the very descriptor, of a file that nobody may open */
    ask_again(w, c);                /* and once more */
}

static void test_noted(World *w, gconstpointer data)
{
    const Case *c = data;
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    g_assert_cmpint(c->ask(w), ==, 0);
    ask_again(w, c);
    ask_again(w, c);
}

static void test_forsaken(World *w, gconstpointer data)
{
    const Case *c = data;
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    g_assert_cmpint(c->ask(w), ==, 0);
    die(w);
    g_assert_true(w->store.replaying);
    act_forsake(&w->store);
    w->fd = -1; /* closed with that */
    assert_names(w, c->forsaken);
    die(w);
    g_assert_false(w->store.replaying); /* it is not taken for done */
    assert_names(w, c->forsaken);
}

/* Killed between saying so and undoing it. */
static void test_half_forsaken(World *w, gconstpointer data)
{
    const Case *c = data;
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    g_assert_cmpint(c->ask(w), ==, 0);
    journal_act(&w->journal)->state = ACT_STATE_FORSAKEN;
    die(w);
    g_assert_false(w->store.replaying);
    assert_names(w, c->forsaken);
}

/* A file that a plain open found is somebody else's. */
static void test_plain_open_forsaken(World *w, gconstpointer unused)
{
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    w->fd = source_create(&w->store, &w->self, w->root, "other", O_RDWR | O_TRUNC, 0600);
    g_assert_cmpint(w->fd, >=, 0);
    die(w);
    act_forsake(&w->store);
    w->fd = -1;
    assert_names(w, BEFORE);
}

/* One that came to nothing, and then another. */
static void test_failure_first(World *w, gconstpointer unused)
{
    g_assert_cmpint(mkdirat(w->root_fd, "dir/in", 0700), ==, 0);
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    g_assert_cmpint(ask_rmdir(w), ==, -ENOTEMPTY);
    Node *dir = look(w, "dir");
    g_assert_cmpint(source_remove(&w->store, &w->self, dir, "in", true), ==, 0);
    for (int deaths = 0; deaths < 2; deaths++) {
        die(w);
        g_assert_true(w->store.replaying);
        g_assert_cmpint(ask_rmdir(w), ==, -ENOTEMPTY);
        g_assert_true(w->store.replaying);
        dir = look(w, "dir");
        g_assert_cmpint(source_remove(&w->store, &w->self, dir, "in", true), ==, 0);
        g_assert_false(w->store.replaying);
    }
    g_assert_cmpint(ask_rmdir(w), ==, 0);
    assert_names(w, "old other ");
}

static void add(const char *moment, const Case *c, void (*test)(World *w, gconstpointer data))
{
    g_autofree char *path = g_strdup_printf("/act/%s/%s", c->name, moment);
    g_test_add(path, World, c, world_open, test, world_close);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        add("not-executed", &cases[i], test_not_executed);
        add("not-noted", &cases[i], test_not_noted);
        add("noted", &cases[i], test_noted);
        add("forsaken", &cases[i], test_forsaken);
        add("half-forsaken", &cases[i], test_half_forsaken);
    }
    g_test_add("/act/plain-open-forsaken", World, NULL, world_open, test_plain_open_forsaken,
               world_close);
    g_test_add("/act/failure-first", World, NULL, world_open, test_failure_first, world_close);
    return g_test_run();
}
