/* The claim table beside a simple model: random operations, every invariant checked after each. */
#include "claims/claim-table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DIRS 4
#define NAMES 12
#define OWNERS 8
#define STEPS 100000

/* What the table should hold for one key. */
typedef struct {
    Claim *claim; /* NULL: nothing */
    uint64_t token;
    uint64_t linked; /* when it came to its owner */
    int owner;
    int heir; /* -1: none */
    ClaimState state;
} Expected;

typedef struct {
    Owner *owner; /* NULL: free */
    pid_t pid;
    uint8_t scope;
} ExpectedOwner;

typedef struct {
    ClaimTable table;
    Names names;
    int fd;
    Expected claims[DIRS][NAMES];
    ExpectedOwner owners[OWNERS];
    uint64_t last_token;
    uint64_t links;
} World;

/* Different lengths, and names that begin alike. */
static const char *name_of(int n)
{
    static const char *const names[NAMES] = {
        "a.lock",   "b.lock",
        ".lock",    "a.lock.lock",
        "a\n.lock", "\xff\xfe.lock",
        "12345678", "123456789",
        "1234567",  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.lock",
        "1",        "index.lock",
    };
    return names[n];
}

static void world_init(World *w, uint32_t max, uint64_t first_token)
{
    memset(w, 0, sizeof *w);
    w->fd = slot_file_new("test");
    g_assert_cmpint(w->fd, >=, 0);
    g_assert_cmpint(names_init(&w->names, w->fd, 0, 1ULL << 43, max), ==, 0);
    const SlotPlace places[] = {{NAMES_FILE_SPAN, sizeof(Claim)},
                                {NAMES_FILE_SPAN + (1ULL << 40), sizeof(Owner)}};
    g_assert_cmpint(claim_table_init(&w->table, &w->names, w->fd, places, max, first_token), ==, 0);
    w->last_token = first_token;
}

static void world_done(World *w)
{
    claim_table_done(&w->table);
    names_done(&w->names);
    close(w->fd);
}

static void check_invariants(const World *w)
{
    g_autofree char *problem = NULL;
    if (!claim_table_check(&w->table, &problem))
        g_error("%s", problem);
}

/* --- the model against the table --- */

static void check_key(World *w, int dir, int name)
{
    const Expected *want = &w->claims[dir][name];
    const Claim *found = claim_table_find(&w->table, (uint32_t)dir + 1, name_of(name));
    g_assert_true(found == want->claim);
    if (!found)
        return;
    g_assert_cmpuint(found->token, ==, want->token);
    g_assert_cmpint(found->state, ==, want->state);
    g_assert_cmpstr(claim_name(&w->table, found), ==, name_of(name));
    g_assert_true(owner_at(&w->table, found->owner) == w->owners[want->owner].owner);
    const Owner *heir = want->heir < 0 ? NULL : w->owners[want->heir].owner;
    g_assert_true((found->heir ? owner_at(&w->table, found->heir) : NULL) == heir);
}

static void check_dir(const World *w, int dir)
{
    int listed = 0, want = 0;
    for (uint32_t i = claim_table_first_in(&w->table, (uint32_t)dir + 1); i;
         i = claim_at(&w->table, i)->dir_next) {
        g_assert_cmpuint(claim_at(&w->table, i)->dir, ==, (uint32_t)dir + 1);
        g_assert_cmpint(++listed, <=, NAMES);
    }
    for (int name = 0; name < NAMES; name++)
        want += w->claims[dir][name].claim != NULL;
    g_assert_cmpint(listed, ==, want);
}

static uint64_t linked_at(const World *w, const Claim *claim)
{
    for (int dir = 0; dir < DIRS; dir++)
        for (int name = 0; name < NAMES; name++)
            if (w->claims[dir][name].claim == claim)
                return w->claims[dir][name].linked;
    g_assert_not_reached();
}

/* Counts, and the order: newest first. */
static void check_owner(const World *w, int o)
{
    const Owner *owner = w->owners[o].owner;
    uint32_t claims = 0, holds = 0;
    if (!owner)
        return;
    for (int dir = 0; dir < DIRS; dir++)
        for (int name = 0; name < NAMES; name++) {
            const Expected *e = &w->claims[dir][name];
            claims += e->claim && e->owner == o;
            holds += e->claim && e->heir == o;
        }
    g_assert_cmpuint(owner->claims, ==, claims);
    g_assert_cmpuint(owner->holds, ==, holds);
    uint64_t last = UINT64_MAX;
    for (uint32_t i = owner->first_claim; i; i = claim_at(&w->table, i)->owner_next) {
        uint64_t at = linked_at(w, claim_at(&w->table, i));
        g_assert_cmpuint(at, <, last);
        last = at;
    }
}

static void check_model(World *w)
{
    uint32_t held = 0, live = 0;
    for (int dir = 0; dir < DIRS; dir++) {
        check_dir(w, dir);
        for (int name = 0; name < NAMES; name++) {
            const Expected *e = &w->claims[dir][name];
            check_key(w, dir, name);
            live += e->claim != NULL;
            held += e->claim && (e->state == CLAIM_HELD || e->state == CLAIM_LINGERING);
        }
    }
    for (int o = 0; o < OWNERS; o++)
        check_owner(w, o);
    g_assert_cmpuint(w->table.held, ==, held);
    g_assert_cmpuint(w->table.claims.live, ==, live);
}

/* --- random steps --- */

static int pick_owner(const World *w)
{
    int at = g_test_rand_int_range(0, OWNERS);
    for (int i = 0; i < OWNERS; i++, at = (at + 1) % OWNERS)
        if (w->owners[at].owner)
            return at;
    return -1;
}

static Expected *pick_claim(World *w, bool standing, int *dir, int *name)
{
    for (int tries = 0; tries < 200; tries++) {
        *dir = g_test_rand_int_range(0, DIRS);
        *name = g_test_rand_int_range(0, NAMES);
        if ((w->claims[*dir][*name].claim != NULL) == standing)
            return &w->claims[*dir][*name];
    }
    return NULL;
}

static void step_add(World *w)
{
    int dir, name, owner = pick_owner(w), heir = g_test_rand_bit() ? pick_owner(w) : -1;
    Expected *e = pick_claim(w, false, &dir, &name);
    if (!e || owner < 0)
        return;
    Claim *claim = claim_table_reserve(&w->table, (uint32_t)dir + 1, name_of(name));
    g_assert_nonnull(claim);
    g_assert_null(claim_table_find(&w->table, (uint32_t)dir + 1, name_of(name)));
    if (g_test_rand_int_range(0, 5) == 0) {
        claim_table_cancel(&w->table, claim);
        return;
    }
    claim_table_add(&w->table, claim, w->owners[owner].owner,
                    heir < 0 ? NULL : w->owners[heir].owner);
    g_assert_cmpuint(claim->token, ==, ++w->last_token);
    *e = (Expected){claim, claim->token, ++w->links, owner, heir, CLAIM_HELD};
}

static void step_remove(World *w)
{
    int dir, name;
    Expected *e = pick_claim(w, true, &dir, &name);
    if (!e)
        return;
    claim_table_remove(&w->table, e->claim);
    *e = (Expected){0};
}

static void step_move(World *w)
{
    int dir, name, to_dir, to_name;
    Expected *from = pick_claim(w, true, &dir, &name);
    Expected *to = pick_claim(w, false, &to_dir, &to_name);
    if (!from || !to)
        return;
    g_assert_true(claim_table_move(&w->table, from->claim, (uint32_t)to_dir + 1, name_of(to_name)));
    *to = *from;
    *from = (Expected){0};
}

static void step_state(World *w)
{
    static const ClaimState after[] = {
        [CLAIM_HELD] = CLAIM_DEAD,
        [CLAIM_DEAD] = CLAIM_GHOST,
        [CLAIM_LINGERING] = CLAIM_DEAD,
        [CLAIM_GHOST] = CLAIM_GHOST,
    };
    int dir, name;
    Expected *e = pick_claim(w, true, &dir, &name);
    if (!e)
        return;
    ClaimState state = after[e->state];
    if (e->state != CLAIM_GHOST && g_test_rand_bit())
        state = CLAIM_LINGERING;
    claim_table_set_state(&w->table, e->claim, state);
    e->state = state;
}

static void step_inherit(World *w)
{
    int dir, name;
    Expected *e = pick_claim(w, true, &dir, &name);
    if (!e || e->heir < 0)
        return;
    claim_table_inherit(&w->table, e->claim);
    e->owner = e->heir;
    e->heir = -1;
    e->linked = ++w->links;
}

static bool owner_is_free(const World *w, int o)
{
    return w->owners[o].owner && !w->owners[o].owner->claims && !w->owners[o].owner->holds;
}

/* Few pids and scopes, so that records share a pid. */
static void step_owner(World *w)
{
    int o = g_test_rand_int_range(0, OWNERS);
    if (owner_is_free(w, o)) {
        owner_remove(&w->table, w->owners[o].owner);
        w->owners[o] = (ExpectedOwner){0};
    } else if (!w->owners[o].owner) {
        Owner fields = {.pid = g_test_rand_int_range(1, 3),
                        .scope = (uint8_t)g_test_rand_int_range(0, 2),
                        .claims = 99,
                        .holds = 99};
        if (owner_find(&w->table, fields.pid, fields.scope, 0))
            return; /* a living one is there: its user would take that */
        w->owners[o] = (ExpectedOwner){owner_add(&w->table, &fields), fields.pid, fields.scope};
        g_assert_nonnull(w->owners[o].owner);
        g_assert_true(owner_find(&w->table, fields.pid, fields.scope, 0) == w->owners[o].owner);
        g_assert_null(owner_find(&w->table, fields.pid, fields.scope, 7));
    } else if (g_test_rand_int_range(0, 4) == 0) {
        w->owners[o].owner->dead = true;
        g_assert_true(owner_find(&w->table, w->owners[o].pid, w->owners[o].scope, 0) !=
                      w->owners[o].owner);
    }
}

static void test_random(void)
{
    static void (*const steps[])(World *) = {step_add,  step_add,   step_add,   step_remove,
                                             step_move, step_state, step_owner, step_inherit};
    int n = g_getenv("LOCKFS_QUICK") ? STEPS / 20 : STEPS;
    World w;
    world_init(&w, 1000, 5000);
    for (int i = 0; i < n; i++) {
        steps[g_test_rand_int_range(0, G_N_ELEMENTS(steps))](&w);
        check_invariants(&w);
        if (i % 16 == 0)
            check_model(&w);
    }
    check_model(&w);
    g_assert_cmpuint(w.last_token, >, 5000 + (uint64_t)n / 20);
    world_done(&w);
}

/* --- one by one --- */

static Owner *plain_owner(World *w, pid_t pid)
{
    Owner *owner = owner_add(&w->table, &(Owner){.pid = pid, .pidfd = -1, .cgroup_events = -1});
    g_assert_nonnull(owner);
    return owner;
}

static Claim *plain_claim(World *w, uint32_t dir, const char *name, Owner *owner)
{
    Claim *claim = claim_table_reserve(&w->table, dir, name);
    g_assert_nonnull(claim);
    claim_table_add(&w->table, claim, owner, NULL);
    return claim;
}

static void test_no_room(void)
{
    World w;
    world_init(&w, 8, 0);
    Owner *owner = plain_owner(&w, 10);
    char name[32];
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "%d.lock", i);
        plain_claim(&w, 1, name, owner);
    }
    g_assert_null(claim_table_reserve(&w.table, 1, "x.lock"));
    check_invariants(&w);
    claim_table_remove(&w.table, claim_table_find(&w.table, 1, "3.lock"));
    Claim *claim = claim_table_reserve(&w.table, 1, "x.lock");
    g_assert_nonnull(claim);
    g_assert_null(claim_table_reserve(&w.table, 1, "y.lock"));
    claim_table_cancel(&w.table, claim);
    g_assert_nonnull(claim_table_reserve(&w.table, 1, "y.lock"));
    for (int i = 1; i < 8; i++)
        plain_owner(&w, 10 + i);
    g_assert_null(owner_add(&w.table, &(Owner){.pid = 99}));
    world_done(&w);
}

/* A move for which there is no room leaves the claim where it is. */
static void test_move_without_room(void)
{
    World w;
    world_init(&w, 2, 0);
    Owner *owner = plain_owner(&w, 10);
    Claim *claim = plain_claim(&w, 1, "a.lock", owner);
    plain_claim(&w, 1, "b.lock", owner);
    g_assert_false(claim_table_move(&w.table, claim, 2, "c.lock"));
    g_assert_true(claim_table_find(&w.table, 1, "a.lock") == claim);
    g_assert_null(claim_table_find(&w.table, 2, "c.lock"));
    check_invariants(&w);
    world_done(&w);
}

static void test_name_too_long(void)
{
    World w;
    world_init(&w, 8, 0);
    char name[257];
    memset(name, 'x', 256);
    name[256] = '\0';
    g_assert_null(claim_table_reserve(&w.table, 1, name));
    g_assert_cmpuint(w.table.claims.live, ==, 0);
    name[255] = '\0';
    Claim *claim = plain_claim(&w, 1, name, plain_owner(&w, 10));
    g_assert_true(claim_table_find(&w.table, 1, name) == claim);
    g_assert_null(claim_table_find(&w.table, 2, name));
    check_invariants(&w);
    world_done(&w);
}

/* A token is never given twice, whatever ends in between. */
static void test_tokens_grow(void)
{
    World w;
    world_init(&w, 8, 41);
    Owner *owner = plain_owner(&w, 10);
    for (uint64_t want = 42; want < 1042; want++) {
        Claim *claim = plain_claim(&w, 1, "a.lock", owner);
        g_assert_cmpuint(claim->token, ==, want);
        g_assert_true(claim_table_move(&w.table, claim, 2, "b.lock"));
        g_assert_cmpuint(claim->token, ==, want);
        claim_table_remove(&w.table, claim);
    }
    world_done(&w);
}

/* The check itself can fail: each kind of damage is found. */
static void damage(World *w, const char *what, void *field, size_t size)
{
    g_autofree char *problem = NULL;
    g_autofree void *saved = g_memdup2(field, size);
    memset(field, 0x3f, 1);
    g_test_message("%s", what);
    g_assert_false(claim_table_check(&w->table, &problem));
    g_assert_nonnull(problem);
    memcpy(field, saved, size);
    check_invariants(w);
}

static void test_check_finds_damage(void)
{
    World w;
    world_init(&w, 128, 0);
    Owner *owner = plain_owner(&w, 10), *other = plain_owner(&w, 11);
    Claim *a = plain_claim(&w, 1, "a.lock", owner);
    plain_claim(&w, 1, "b.lock", owner);
    plain_claim(&w, 2, "a.lock", other);
    check_invariants(&w);
    damage(&w, "owner", &a->owner, sizeof a->owner);
    damage(&w, "dir", &a->dir, sizeof a->dir);
    damage(&w, "owner_prev", &a->owner_prev, sizeof a->owner_prev);
    damage(&w, "count of an owner", &owner->claims, sizeof owner->claims);
    damage(&w, "held", &w.table.held, sizeof w.table.held);
    damage(&w, "state", &a->state, sizeof a->state);
    uint64_t token = a->token;
    a->token = *w.table.last_token + 1;
    g_autofree char *problem = NULL;
    g_assert_false(claim_table_check(&w.table, &problem));
    a->token = token;
    check_invariants(&w);
    world_done(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/claim-table/random", test_random);
    g_test_add_func("/claim-table/no-room", test_no_room);
    g_test_add_func("/claim-table/move-without-room", test_move_without_room);
    g_test_add_func("/claim-table/name-too-long", test_name_too_long);
    g_test_add_func("/claim-table/tokens-grow", test_tokens_grow);
    g_test_add_func("/claim-table/check-finds-damage", test_check_finds_damage);
    return g_test_run();
}
