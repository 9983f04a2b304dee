/* The table of what is concluded about an entry that nobody is known to own. */
#include "claims/inference.h"

#include <glib.h>

#define S 1000000000LL
#define BOOT (1000000 * S)     /* the machine was started */
#define MADE (BOOT + 1000 * S) /* the entry was made */
#define SEEN (BOOT + 5000 * S) /* the processes were looked at */
#define SOON (MADE + S / 50)   /* just after it: two ticks */
#define AT_ONCE (MADE + S / 200)
#define LATER (MADE + 100 * S)
#define NO_CLOCK INT64_MIN

static const InferenceEntry file = {.made_ns = MADE, .changed_ns = MADE, .uid = 7};
static const InferenceWorld machine = {
    .boot_ns = BOOT, .seen_ns = SEEN, .now_ns = SEEN + S, .complete = true};
static const LockRecord pid = {.pid = 50};
static const LockRecord at_host = {.pid = 50, .host = "web1"};

static InferenceBearer started(int64_t at)
{
    return (InferenceBearer){
        .first_ns = at,
        .last_ns = at,
        .shown_ns = at,
        .start_ticks = (uint64_t)(at - BOOT) / (S / 100),
        .uid = 7,
    };
}

static InferenceReason decide(InferenceEntry entry, const LockRecord *record, InferenceWorld world,
                              const InferenceBearer *bearers, unsigned n)
{
    unsigned owner = 99;
    InferenceReason reason = (InferenceReason)99;
    if (record && record->host[0] && world.host == INFERENCE_HOST_NONE)
        world.host = INFERENCE_HOST_KNOWN;
    InferenceVerdict verdict =
        inference_decide(&entry, record, &world, bearers, n, &owner, &reason);
    g_assert_cmpint(verdict == INFERENCE_STALE, ==,
                    reason >= INFERENCE_BEFORE_BOOT && reason <= INFERENCE_RECYCLED);
    g_assert_cmpint(verdict == INFERENCE_OWNED, ==, reason == INFERENCE_OWNER_FOUND);
    g_assert_cmpint(verdict == INFERENCE_OWNED, ==, owner != 99);
    g_assert_nonnull(inference_text(reason));
    return reason;
}

static InferenceReason one(const LockRecord *record, InferenceBearer bearer)
{
    return decide(file, record, machine, &bearer, 1);
}

static void test_nobody(void)
{
    InferenceWorld partly = machine, network = machine;
    partly.complete = false;
    network.shared = true;
    g_assert_cmpint(decide(file, &pid, machine, NULL, 0), ==, INFERENCE_NOBODY);
    g_assert_cmpint(decide(file, &at_host, machine, NULL, 0), ==, INFERENCE_NOBODY);
    g_assert_cmpint(decide(file, &pid, partly, NULL, 0), ==, INFERENCE_UNSEEN);
    g_assert_cmpint(decide(file, &pid, network, NULL, 0), ==, INFERENCE_SHARED);
    g_assert_cmpint(decide(file, &at_host, network, NULL, 0), ==, INFERENCE_NOBODY);
}

static void test_another_host(void)
{
    InferenceWorld world = machine;
    world.host = INFERENCE_HOST_OTHER;
    g_assert_cmpint(decide(file, &at_host, world, NULL, 0), ==, INFERENCE_FOREIGN_HOST);
    InferenceEntry old = file;
    old.made_ns = old.changed_ns = BOOT - 1000 * S;
    g_assert_cmpint(decide(old, &at_host, world, NULL, 0), ==, INFERENCE_FOREIGN_HOST);
}

static void test_no_record(void)
{
    InferenceEntry bare = file;
    bare.bare = true;
    g_assert_cmpint(decide(file, NULL, machine, NULL, 0), ==, INFERENCE_NO_RECORD);
    g_assert_cmpint(decide(bare, NULL, machine, NULL, 0), ==, INFERENCE_NO_RECORD);
    bare.made_ns = bare.changed_ns = BOOT - 100 * S;
    g_assert_cmpint(decide(bare, NULL, machine, NULL, 0), ==, INFERENCE_BEFORE_BOOT);
    bare.bare = false;
    g_assert_cmpint(decide(bare, NULL, machine, NULL, 0), ==, INFERENCE_NO_RECORD);
}

static void test_before_boot(void)
{
    InferenceEntry old = file;
    InferenceWorld unsure = machine;
    InferenceBearer init = started(BOOT), alive = started(BOOT);
    old.made_ns = old.changed_ns = BOOT - 100 * S;
    unsure.boot_ns = NO_CLOCK;
    init.init = true;
    g_assert_cmpint(decide(old, &pid, machine, &alive, 1), ==, INFERENCE_BEFORE_BOOT);
    g_assert_cmpint(decide(old, &pid, machine, &init, 1), ==, INFERENCE_BEFORE_BOOT);
    alive.first_ns = NO_CLOCK;
    alive.last_ns = INT64_MAX;
    g_assert_cmpint(decide(old, &pid, unsure, &alive, 1), ==, INFERENCE_UNPROVEN);
    old.changed_ns = BOOT - S;
    g_assert_cmpint(decide(old, &pid, machine, &alive, 1), ==, INFERENCE_UNPROVEN);
}

static void test_in_use_or_fresh(void)
{
    InferenceEntry used = file, fresh = file, late = file;
    used.in_use = true;
    fresh.changed_ns = SEEN - S / 2;
    InferenceEntry settled = fresh;
    settled.settled = true;
    late.changed_ns = SEEN;
    g_assert_cmpint(decide(used, &pid, machine, NULL, 0), ==, INFERENCE_IN_USE);
    g_assert_cmpint(decide(fresh, &pid, machine, NULL, 0), ==, INFERENCE_FRESH);
    g_assert_cmpint(decide(settled, &pid, machine, NULL, 0), ==, INFERENCE_NOBODY);
    g_assert_cmpint(decide(late, &pid, machine, NULL, 0), ==, INFERENCE_LATER);
}

static void test_recycled(void)
{
    InferenceBearer unsure = started(LATER), both[] = {started(LATER), started(LATER + S)};
    unsure.first_ns = NO_CLOCK;
    g_assert_cmpint(one(&pid, started(LATER)), ==, INFERENCE_RECYCLED);
    g_assert_cmpint(one(&pid, started(SOON)), ==, INFERENCE_RECYCLED);
    g_assert_cmpint(one(&pid, started(AT_ONCE)), ==, INFERENCE_OWNER_FOUND);
    g_assert_cmpint(one(&pid, unsure), ==, INFERENCE_UNPROVEN);
    g_assert_cmpint(decide(file, &pid, machine, both, 2), ==, INFERENCE_RECYCLED);
    both[0] = started(BOOT);
    g_assert_cmpint(decide(file, &pid, machine, both, 2), ==, INFERENCE_OWNER_FOUND);
    InferenceBearer set = started(LATER); /* the clock has been set forward since the boot */
    set.first_ns = MADE - 100 * S;
    g_assert_cmpint(one(&pid, set), ==, INFERENCE_UNPROVEN);
}

/* The clock may have been set forward by hours since the boot, but not by more than has passed by
 * it since the entry was written. */
static void test_recycled_just_now(void)
{
    InferenceEntry entry = file;
    InferenceWorld world = machine;
    InferenceBearer bearer = started(SEEN - S);
    entry.made_ns = entry.changed_ns = SEEN - 2 * S;
    entry.settled = true;
    bearer.first_ns -= 20000 * S;
    world.now_ns = SEEN;
    g_assert_cmpint(decide(entry, &pid, world, &bearer, 1), ==, INFERENCE_RECYCLED);
    bearer.first_ns = NO_CLOCK;
    g_assert_cmpint(decide(entry, &pid, world, &bearer, 1), ==, INFERENCE_RECYCLED);
    world.now_ns = SEEN + 10 * S;
    g_assert_cmpint(decide(entry, &pid, world, &bearer, 1), ==, INFERENCE_UNPROVEN);
    bearer.shown_ns = bearer.last_ns = INT64_MAX;
    world.now_ns = SEEN;
    g_assert_cmpint(decide(entry, &pid, world, &bearer, 1), ==, INFERENCE_UNPROVEN);
}

static void test_owned(void)
{
    InferenceBearer bearer = started(MADE - S), both[] = {started(BOOT), started(BOOT)};
    g_assert_cmpint(one(&pid, bearer), ==, INFERENCE_OWNER_FOUND);
    g_assert_cmpint(decide(file, &pid, machine, both, 2), ==, INFERENCE_SEVERAL);
    bearer.uid = 8;
    g_assert_cmpint(one(&pid, bearer), ==, INFERENCE_OTHER_USER);
    InferenceEntry touched = file; /* made before the process, changed since */
    touched.made_ns = MADE - 50 * S;
    bearer = started(MADE - S);
    g_assert_cmpint(decide(touched, &pid, machine, &bearer, 1), ==, INFERENCE_UNPROVEN);
}

static void test_hosts(void)
{
    InferenceBearer bearer = started(BOOT), both[] = {started(BOOT), started(BOOT)};
    g_assert_cmpint(one(&at_host, bearer), ==, INFERENCE_OTHER_HOST);
    bearer.host = "web2";
    g_assert_cmpint(one(&at_host, bearer), ==, INFERENCE_OTHER_HOST);
    bearer.host = "web1.example.org";
    g_assert_cmpint(one(&at_host, bearer), ==, INFERENCE_OWNER_FOUND);
    both[0].host = "web2";
    both[1].host = "web1";
    g_assert_cmpint(decide(file, &at_host, machine, both, 2), ==, INFERENCE_OWNER_FOUND);
}

static void test_init(void)
{
    LockRecord first = {.pid = 1};
    InferenceBearer both[] = {started(BOOT), started(LATER)};
    both[0].init = true;
    g_assert_cmpint(decide(file, &first, machine, both, 1), ==, INFERENCE_INIT);
    g_assert_cmpint(decide(file, &first, machine, both, 2), ==, INFERENCE_RECYCLED);
    both[1] = started(MADE - S);
    g_assert_cmpint(decide(file, &first, machine, both, 2), ==, INFERENCE_OWNER_FOUND);
    LockRecord named = {.pid = 1, .host = "web1"};
    both[0].host = "web1";
    both[1] = started(LATER);
    g_assert_cmpint(decide(file, &named, machine, both, 2), ==, INFERENCE_INIT);
    both[0].host = "machine";
    g_assert_cmpint(decide(file, &named, machine, both, 2), ==, INFERENCE_RECYCLED);
}

static void test_start(void)
{
    InferenceBearer bearer = started(MADE - S);
    LockRecord record = {.pid = 50, .start = bearer.start_ticks};
    bearer.first_ns = NO_CLOCK;
    bearer.last_ns = INT64_MAX;
    g_assert_cmpint(one(&record, bearer), ==, INFERENCE_OWNER_FOUND);
    record.start = bearer.start_ticks + 300;
    g_assert_cmpint(one(&record, bearer), ==, INFERENCE_RECYCLED);
    bearer.own_clock = true;
    g_assert_cmpint(one(&record, bearer), ==, INFERENCE_UNPROVEN);
    bearer = started(MADE - S);
    record.start = bearer.start_ticks / 100; /* in seconds */
    g_assert_cmpint(one(&record, bearer), ==, INFERENCE_OWNER_FOUND);
}

static void test_epoch(void)
{
    const int64_t now = 1700000000 * S;
    InferenceEntry entry = {.made_ns = now, .changed_ns = now, .uid = 7};
    InferenceWorld world = {.boot_ns = now - 9000 * S,
                            .seen_ns = now + 9000 * S,
                            .now_ns = now + 9000 * S,
                            .complete = true};
    LockRecord record = {.pid = 50, .start = 1700000000 - 100};
    InferenceBearer bearer = {.first_ns = now - 50 * S, .last_ns = now - 50 * S, .uid = 7};
    g_assert_cmpint(decide(entry, &record, world, &bearer, 1), ==, INFERENCE_RECYCLED);
    bearer.first_ns = bearer.last_ns = now - 101 * S;
    g_assert_cmpint(decide(entry, &record, world, &bearer, 1), ==, INFERENCE_OWNER_FOUND);
    record.start *= 1000;
    g_assert_cmpint(decide(entry, &record, world, &bearer, 1), ==, INFERENCE_OWNER_FOUND);
}

static void test_namespace(void)
{
    LockRecord record = {.pid = 50, .pid_ns = 12};
    InferenceBearer bearer = started(BOOT);
    g_assert_cmpint(one(&record, bearer), ==, INFERENCE_OWNER_FOUND);
    bearer.pid_ns = 12;
    g_assert_cmpint(one(&record, bearer), ==, INFERENCE_OWNER_FOUND);
    bearer.pid_ns = 13;
    g_assert_cmpint(one(&record, bearer), ==, INFERENCE_RECYCLED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/inference/nobody", test_nobody);
    g_test_add_func("/inference/another-host", test_another_host);
    g_test_add_func("/inference/no-record", test_no_record);
    g_test_add_func("/inference/before-boot", test_before_boot);
    g_test_add_func("/inference/in-use-or-fresh", test_in_use_or_fresh);
    g_test_add_func("/inference/recycled", test_recycled);
    g_test_add_func("/inference/recycled-just-now", test_recycled_just_now);
    g_test_add_func("/inference/owned", test_owned);
    g_test_add_func("/inference/hosts", test_hosts);
    g_test_add_func("/inference/init", test_init);
    g_test_add_func("/inference/start", test_start);
    g_test_add_func("/inference/epoch", test_epoch);
    g_test_add_func("/inference/namespace", test_namespace);
    return g_test_run();
}
