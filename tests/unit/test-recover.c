/* Tables that are damaged in one place after another: each time that is seen, said, and nothing
 * crashes; they are neither gone on with nor taken up by the next mount. */
#include "base/tree.h"
#include "engine/adopt.h"
#include "engine/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char *path;
    Proc *proc;
    HelperList *helpers;
    RuleSet *rules;
    Engine engine;
    Entry lock, file;
    uint32_t dir, claim, owner; /* slots of what was made */
} World;

static const EngineOptions options = {.max_locks = 1000, .max_locks_per_uid = 1000};

static void start_engine(const World *w, Engine *engine)
{
    int root = open(w->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    g_assert_cmpint(engine_init(engine, root, true, &options, w->rules, w->proc, w->helpers, -1),
                    ==, 0);
}

static void made(void *user, int error, const Entry *entry)
{
    g_assert_cmpint(error, ==, 0);
    *(Entry *)user = *entry;
}

static void make(World *w, MakeKind kind, uint64_t dir, const char *name, Entry *entry)
{
    Caller caller = {.tid = (pid_t)getpid(), .uid = geteuid(), .gid = getegid(), .umask = 022};
    Making making = {.kind = kind, .dir = dir, .name = name, .mode = 0700, .flags = O_RDWR};
    engine_make(&w->engine, &caller, &making, made, entry);
}

static void world_open(World *w, gconstpointer unused)
{
    Entry dir;
    w->path = g_dir_make_tmp("lockfs-recover-XXXXXX", NULL);
    g_assert_cmpint(proc_open(PROC_WITHOUT_NOTHING, &w->proc), ==, 0);
    w->helpers = helper_list_new_shipped();
    RuleBuilder *builder = rule_builder_new();
    rule_builder_add_builtin(builder);
    w->rules = rule_builder_finish(builder);
    start_engine(w, &w->engine);
    make(w, MAKE_DIR, STORE_ROOT_ID, "dir", &dir);
    make(w, MAKE_DIR, dir.node_id, "x.lock", &w->lock);
    make(w, MAKE_FILE, dir.node_id, "file", &w->file);
    w->dir = slot_id_index(dir.node_id);
    for (uint32_t i = 1; i <= w->engine.claims.claims.used; i++)
        if (slot_is_used(&w->engine.claims.claims, i))
            w->claim = i;
    w->owner = claim_peek(&w->engine.claims, w->claim)->owner;
}

static void world_close(World *w, gconstpointer unused)
{
    engine_done(&w->engine);
    rule_set_unref(w->rules);
    helper_list_free(w->helpers);
    proc_close(w->proc);
    g_assert_cmpint(tree_remove(AT_FDCWD, w->path), ==, 0);
    g_free(w->path);
}

static Node *node(World *w, uint32_t index)
{
    return slot_peek(&w->engine.store.nodes, index);
}

static Claim *claim(World *w)
{
    return slot_peek(&w->engine.claims.claims, w->claim);
}

static Handle *handle(World *w)
{
    return slot_peek(&w->engine.store.handles, slot_id_index(w->file.fh));
}

static Owner *owner(World *w)
{
    return slot_peek(&w->engine.claims.owners, w->owner);
}

#define NOWHERE 0x00ffffffU

/* --- what is damaged; all of it is put back by the caller --- */

static void parent_gone(World *w)
{
    node(w, w->dir)->parent = NOWHERE;
}
static void parent_itself(World *w)
{
    node(w, w->dir)->parent = w->dir;
}
static void parent_below(World *w)
{
    node(w, w->dir)->parent = slot_id_index(w->lock.node_id);
}
static void name_gone(World *w)
{
    node(w, w->dir)->name = NOWHERE;
}
static void name_of_no_class(World *w)
{
    node(w, w->dir)->name = UINT32_MAX;
}
static void claim_dir_gone(World *w)
{
    claim(w)->dir = NOWHERE;
}
static void claim_node_gone(World *w)
{
    claim(w)->node = 0;
}
static void claim_owner_gone(World *w)
{
    claim(w)->owner = NOWHERE;
}
static void claim_heir_gone(World *w)
{
    claim(w)->heir = NOWHERE;
}
static void claim_nameless(World *w)
{
    claim(w)->name = 0;
}
static void claim_from_the_future(World *w)
{
    claim(w)->token = UINT64_MAX;
}
static void claim_of_no_state(World *w)
{
    claim(w)->state = 99;
}
static void claim_of_no_kind(World *w)
{
    claim(w)->kind = 99;
}
static void claim_comm_endless(World *w)
{
    memset(claim(w)->caller_comm, 'x', CLAIM_COMM_SIZE);
}
static void owner_comm_endless(World *w)
{
    memset(owner(w)->comm, 'x', CLAIM_COMM_SIZE);
}
static void owner_of_no_scope(World *w)
{
    owner(w)->scope = 99;
}
static void owner_released(World *w)
{
    owner(w)->head.generation++;
}
static void handle_node_gone(World *w)
{
    handle(w)->node = NOWHERE;
}
static void node_released(World *w)
{
    node(w, w->dir)->head.generation++;
}

typedef struct {
    const char *name;
    void (*damage)(World *w);
} Case;

#define CASE(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }

static const Case cases[] = {
    CASE(parent_gone),       CASE(parent_itself),         CASE(parent_below),
    CASE(name_gone),         CASE(name_of_no_class),      CASE(claim_dir_gone),
    CASE(claim_node_gone),   CASE(claim_owner_gone),      CASE(claim_heir_gone),
    CASE(claim_nameless),    CASE(claim_from_the_future), CASE(claim_of_no_state),
    CASE(claim_of_no_kind),  CASE(claim_comm_endless),    CASE(owner_comm_endless),
    CASE(owner_of_no_scope), CASE(owner_released),        CASE(handle_node_gone),
    CASE(node_released),
};

typedef struct {
    Node dir;
    Claim claim;
    Owner owner;
    Handle handle;
} Copies;

static void keep(World *w, Copies *copies)
{
    *copies = (Copies){*node(w, w->dir), *claim(w), *owner(w), *handle(w)};
}

static void put_back(World *w, const Copies *copies)
{
    *node(w, w->dir) = copies->dir;
    *claim(w) = copies->claim;
    *owner(w) = copies->owner;
    *handle(w) = copies->handle;
}

static bool keep_all(void *ctx, int fd)
{
    return true;
}

/* By a worker that is to go on with it, and by the next mount. */
static void test_damaged(World *w, gconstpointer data)
{
    const Case *c = data;
    g_autofree char *problem = NULL;
    EngineRecovery recovery;
    EngineAdoption adoption;
    Copies copies;
    g_assert_true(engine_check(&w->engine, &problem));
    keep(w, &copies);
    c->damage(w);
    g_assert_false(engine_check(&w->engine, &problem));
    g_test_message("%s: %s", c->name, problem);
    g_assert_cmpint(engine_recover(&w->engine, keep_all, NULL, &recovery), ==, -EPROTO);
    g_autofree Engine *next = g_new0(Engine, 1);
    start_engine(w, next);
    g_assert_cmpint(engine_adopt(next, w->engine.file, ENGINE_WORLD_SAME, &adoption), ==, -EPROTO);
    g_assert_cmpuint(next->claims.held, ==, 0);
    put_back(w, &copies);
    g_assert_cmpint(engine_adopt(next, w->engine.file, ENGINE_WORLD_SAME, &adoption), ==, 0);
    g_assert_cmpuint(adoption.held, ==, 1);
    engine_done(next);
}

static void test_sound(World *w, gconstpointer unused)
{
    g_autofree char *problem = NULL;
    EngineRecovery recovery;
    g_assert_cmpint(engine_recover(&w->engine, keep_all, NULL, &recovery), ==, 0);
    g_assert_cmpuint(recovery.claims, ==, 1);
    g_assert_cmpuint(recovery.handles, ==, 1);
    g_assert_true(engine_check(&w->engine, &problem));
    g_assert_true(claim_table_check(&w->engine.claims, &problem));
}

/* Cut off anywhere, it is refused, and not run into. */
static void test_torn(World *w, gconstpointer unused)
{
    EngineAdoption adoption;
    struct stat st;
    g_assert_cmpint(fstat(w->engine.file, &st), ==, 0);
    g_autofree Engine *next = g_new0(Engine, 1);
    start_engine(w, next);
    for (off_t size = st.st_size; size > 0; size /= 2) {
        int copy = slot_file_new("torn");
        g_assert_cmpint(ftruncate(copy, size), ==, 0);
        int r = engine_adopt(next, copy, ENGINE_WORLD_SAME, &adoption);
        g_assert_cmpint(r, <, 0);
        close(copy);
    }
    engine_done(next);
}

/* --- whatever may stand in such a file --- */

#define REGIONS 12

typedef struct {
    char *at, *was;
    size_t size;
} Region;

static size_t find_regions(World *w, Region regions[REGIONS])
{
    Engine *e = &w->engine;
    SlotArray *arrays[] = {&e->names.classes[0], &e->names.classes[1], &e->names.classes[2],
                           &e->store.nodes,      &e->store.handles,    &e->claims.claims,
                           &e->claims.owners,    &e->heal_records};
    size_t n = 0;
    regions[n++] = (Region){(char *)e->journal.shared, NULL, sizeof(JournalShared)};
    regions[n++] = (Region){e->journal.undo, NULL, 4096};
    for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++)
        regions[n++] = (Region){arrays[i]->base, NULL, arrays[i]->record * (arrays[i]->used + 1U)};
    for (size_t i = 0; i < n; i++)
        regions[i].was = g_memdup2(regions[i].at, regions[i].size);
    return n;
}

static uint32_t some_value(GRand *random, uint32_t old)
{
    static const uint32_t values[] = {0,          1,          2,          3,       0xff,
                                      0x7fffffff, 0x80000000, 0xffffffff, 1U << 30};
    switch (g_rand_int_range(random, 0, 3)) {
    case 0:
        return values[g_rand_int_range(random, 0, G_N_ELEMENTS(values))];
    case 1:
        return old ^ 1U << g_rand_int_range(random, 0, 32);
    default:
        return g_rand_int(random);
    }
}

static void scribble(GRand *random, const Region *region)
{
    size_t at = (size_t)g_rand_int_range(random, 0, (gint32)region->size / 4) * 4;
    uint32_t value;
    memcpy(&value, region->at + at, sizeof value);
    value = some_value(random, value);
    memcpy(region->at + at, &value, sizeof value);
}

/* Taken up, or refused. */
static void test_noise(World *w, gconstpointer unused)
{
    Region regions[REGIONS];
    size_t n = find_regions(w, regions);
    GRand *random = g_rand_new_with_seed(g_test_rand_int());
    int rounds = g_getenv("LOCKFS_QUICK") ? 300 : 2000, refused = 0;
    g_autofree Engine *next = g_new0(Engine, 1);
    start_engine(w, next);
    for (int round = 0; round < rounds; round++) {
        EngineAdoption adoption;
        for (int i = g_rand_int_range(random, 1, 4); i > 0; i--)
            scribble(random, &regions[g_rand_int_range(random, 0, (gint32)n)]);
        int r = engine_adopt(next, w->engine.file, ENGINE_WORLD_SAME, &adoption);
        g_assert_cmpint(r, <=, 0);
        refused += r < 0;
        for (size_t i = 0; i < n; i++)
            memcpy(regions[i].at, regions[i].was, regions[i].size);
    }
    g_test_message("%d of %d refused", refused, rounds);
    g_assert_cmpint(refused, >, 0);
    engine_done(next);
    for (size_t i = 0; i < n; i++)
        g_free(regions[i].was);
    g_rand_free(random);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/recover/sound", World, NULL, world_open, test_sound, world_close);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/recover/damaged/%s", cases[i].name);
        g_test_add(path, World, &cases[i], world_open, test_damaged, world_close);
    }
    g_test_add("/recover/torn", World, NULL, world_open, test_torn, world_close);
    g_test_add("/recover/noise", World, NULL, world_open, test_noise, world_close);
    return g_test_run();
}
