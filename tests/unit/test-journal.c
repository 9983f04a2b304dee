/* The journal as the next process finds it: every phase, acts, what did not fit, what is torn; and
 * a process that is really killed, at any instruction, while it moves value between records. */
#include "base/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_AT (1ULL << 32)
#define THINGS 40000
#define SUM 1000

typedef struct {
    SlotHead head;
    uint64_t value;
    char more[200];
} Thing;

typedef struct {
    int fd;
    Journal journal;
    SlotArray things;
} World;

static void attach(World *w)
{
    g_assert_cmpint(journal_init(&w->journal, w->fd, 0), ==, 0);
    g_assert_cmpint(slot_array_init(&w->things, w->fd, ARRAY_AT, sizeof(Thing), THINGS), ==, 0);
    journal_add(&w->journal, &w->things);
}

static void world_open(World *w, gconstpointer unused)
{
    w->fd = slot_file_new("test");
    attach(w);
}

static void detach(World *w)
{
    journal_done(&w->journal);
    slot_array_done(&w->things);
}

static void world_close(World *w, gconstpointer unused)
{
    detach(w);
    close(w->fd);
}

/* All that was in memory of the process is gone. */
static void die(World *w)
{
    detach(w);
    attach(w);
}

static Thing *thing(World *w, uint32_t i)
{
    return slot_at(&w->things, i);
}

static uint32_t add(World *w, uint64_t value)
{
    uint32_t i = slot_reserve(&w->things);
    g_assert_cmpuint(i, !=, 0);
    thing(w, i)->value = value;
    slot_publish(&w->things, i);
    return i;
}

static uint64_t value(World *w, uint32_t i)
{
    g_assert_true(slot_is_used(&w->things, i));
    return ((const Thing *)slot_peek(&w->things, i))->value;
}

static void test_rollback(World *w, gconstpointer unused)
{
    uint32_t a = add(w, 1), b = add(w, 2);
    uint64_t id = slot_id(&w->things, b);
    journal_begin(&w->journal, JOURNAL_SERVING, 7);
    thing(w, a)->value = 10;
    thing(w, a)->value = 11;
    slot_release(&w->things, b);
    uint32_t c = add(w, 3);
    g_assert_cmpuint(c, ==, b);
    uint32_t d = add(w, 4);
    die(w);
    g_assert_true(journal_is_undecided(&w->journal));
    g_assert_cmpuint(w->journal.shared->unique, ==, 7);
    g_assert_cmpuint(journal_rollback(&w->journal), ==, 3);
    g_assert_cmpuint(value(w, a), ==, 1);
    g_assert_cmpuint(value(w, b), ==, 2);
    g_assert_cmpuint(slot_id(&w->things, b), ==, id);
    g_assert_false(slot_is_used(&w->things, d));
    g_assert_cmpuint(w->things.live, ==, 2);
    g_assert_cmpuint(add(w, 5), ==, d); /* free again */
}

/* Killed again before it has gone on, and after. */
static void test_rollback_again(World *w, gconstpointer unused)
{
    uint32_t a = add(w, 1);
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    thing(w, a)->value = 2;
    for (int i = 0; i < 3; i++) {
        die(w);
        journal_rollback(&w->journal);
        g_assert_cmpuint(value(w, a), ==, 1);
        journal_resume(&w->journal);
        thing(w, a)->value = 3;
    }
    journal_end(&w->journal);
    die(w);
    g_assert_false(journal_is_undecided(&w->journal));
    g_assert_cmpuint(value(w, a), ==, 3);
}

static void test_phases(World *w, gconstpointer unused)
{
    struct iovec answer[] = {{(void *)"an", 2}, {(void *)"swer", 4}};
    journal_begin(&w->journal, JOURNAL_BACKGROUND, 0);
    die(w);
    g_assert_cmpint(journal_phase(&w->journal), ==, JOURNAL_BACKGROUND);
    g_assert_true(journal_is_undecided(&w->journal));
    journal_begin(&w->journal, JOURNAL_SERVING, 9);
    uint32_t before = w->journal.shared->answers;
    journal_answer(&w->journal, answer, 2);
    die(w);
    g_assert_cmpint(journal_phase(&w->journal), ==, JOURNAL_ANSWERED);
    g_assert_false(journal_is_undecided(&w->journal));
    g_assert_cmpuint(w->journal.shared->answers, ==, before + 1);
    g_assert_cmpmem(w->journal.reply, w->journal.shared->reply_size, "answer", 6);
    journal_begin(&w->journal, JOURNAL_SERVING, 10);
    g_assert_cmpuint(w->journal.shared->reply_size, ==, 0);
    journal_pass(&w->journal);
    die(w);
    g_assert_cmpint(journal_phase(&w->journal), ==, JOURNAL_PASSED);
    g_assert_false(journal_is_undecided(&w->journal));
    journal_begin(&w->journal, JOURNAL_SERVING, 11);
    journal_end(&w->journal);
    die(w);
    g_assert_cmpint(journal_phase(&w->journal), ==, JOURNAL_IDLE);
}

static void test_answer_too_large(World *w, gconstpointer unused)
{
    g_autofree char *big = g_malloc0(JOURNAL_REPLY_MAX);
    struct iovec fits[] = {{big, JOURNAL_REPLY_MAX}};
    struct iovec does_not[] = {{big, JOURNAL_REPLY_MAX}, {big, 1}};
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    journal_answer(&w->journal, fits, 1);
    g_assert_cmpint(journal_phase(&w->journal), ==, JOURNAL_ANSWERED);
    journal_begin(&w->journal, JOURNAL_SERVING, 2);
    journal_answer(&w->journal, does_not, 2);
    g_assert_cmpint(journal_phase(&w->journal), ==, JOURNAL_PASSED);
    g_assert_cmpuint(w->journal.shared->reply_size, ==, 0);
}

static void begin_act(World *w, uint32_t op, const char *name)
{
    JournalAct *act = journal_act_next(&w->journal);
    *act = (JournalAct){.op = op};
    g_strlcpy(act->name, name, sizeof act->name);
    journal_act_begin(&w->journal);
}

/* What was changed before an act stays, what came after it goes. */
static void test_acts(World *w, gconstpointer unused)
{
    uint32_t a = add(w, 1);
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    g_assert_null(journal_act(&w->journal));
    thing(w, a)->value = 2;
    begin_act(w, 5, "first");
    thing(w, a)->value = 3;
    journal_act_done(&w->journal, 0);
    thing(w, a)->value = 4;
    begin_act(w, 6, "second");
    thing(w, a)->value = 5;
    die(w);
    journal_rollback(&w->journal);
    g_assert_cmpuint(value(w, a), ==, 4);
    g_assert_cmpuint(journal_act(&w->journal)->op, ==, 6);
    g_assert_cmpuint(journal_act(&w->journal)->state, ==, ACT_STATE_BEGUN);
    journal_resume(&w->journal);
    thing(w, a)->value = 6;
    journal_act_done(&w->journal, -13);
    die(w);
    journal_rollback(&w->journal);
    g_assert_cmpuint(value(w, a), ==, 4);
    g_assert_cmpuint(journal_act(&w->journal)->state, ==, ACT_STATE_DONE);
    g_assert_cmpint(journal_act(&w->journal)->result, ==, -13);
    journal_begin(&w->journal, JOURNAL_SERVING, 2);
    g_assert_null(journal_act(&w->journal));
    thing(w, a)->value = 7;
    die(w);
    journal_rollback(&w->journal);
    g_assert_cmpuint(value(w, a), ==, 4); /* of this operation, which has no act */
}

/* Killed when the act is in force and the records are not kept anew. */
static void test_act_half_begun(World *w, gconstpointer unused)
{
    uint32_t a = add(w, 1);
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    thing(w, a)->value = 2;
    uint64_t used = w->journal.shared->undo_used;
    begin_act(w, 5, "x");
    g_assert_cmpuint(w->journal.shared->undo_used, >, used);
    w->journal.shared->undo_used = used;
    die(w);
    g_assert_cmpuint(journal_rollback(&w->journal), ==, 0);
    g_assert_cmpuint(value(w, a), ==, 2);
    journal_resume(&w->journal);
    thing(w, a)->value = 3;
    die(w);
    journal_rollback(&w->journal);
    g_assert_cmpuint(value(w, a), ==, 2);
}

static void test_failures(World *w, gconstpointer unused)
{
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    for (int i = 0; i < JOURNAL_FAILURES + 2; i++) {
        char name[16];
        g_snprintf(name, sizeof name, "n%d", i);
        begin_act(w, 5, name);
        journal_act_done(&w->journal, -i - 1);
    }
    die(w);
    JournalAct asked = {.op = 5, .name = "n3"};
    g_assert_cmpint(journal_failure(&w->journal, &asked), ==, -4);
    asked.op = 6;
    g_assert_cmpint(journal_failure(&w->journal, &asked), ==, 0);
    asked = (JournalAct){.op = 5, .name = "n3", .new_name = "other"};
    g_assert_cmpint(journal_failure(&w->journal, &asked), ==, 0);
    asked = (JournalAct){.op = 5, .name = "n9"}; /* one too many: it is simply done again */
    g_assert_cmpint(journal_failure(&w->journal, &asked), ==, 0);
    journal_begin(&w->journal, JOURNAL_SERVING, 2);
    asked = (JournalAct){.op = 5, .name = "n3"};
    g_assert_cmpint(journal_failure(&w->journal, &asked), ==, 0);
}

static blkcnt_t blocks(const World *w)
{
    struct stat st;
    g_assert_cmpint(fstat(w->fd, &st), ==, 0);
    return st.st_blocks;
}

/* The log grows with what an operation touches, and gives the memory back. */
static void test_growth(World *w, gconstpointer unused)
{
    for (uint32_t i = 1; i <= THINGS; i++)
        g_assert_cmpuint(add(w, i), ==, i);
    blkcnt_t small = blocks(w);
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    for (uint32_t i = 1; i <= THINGS; i++)
        thing(w, i)->value = 0;
    blkcnt_t large = blocks(w);
    g_assert_cmpint(large, >, small + THINGS * (int)sizeof(Thing) / 512 / 2);
    die(w);
    g_assert_cmpuint(journal_rollback(&w->journal), ==, THINGS);
    for (uint32_t i = 1; i <= THINGS; i++)
        g_assert_cmpuint(value(w, i), ==, i);
    journal_resume(&w->journal);
    journal_end(&w->journal);
    g_assert_cmpint(blocks(w), <=, small + 4096);
}

/* Before an operation goes on the tables are put in order, whatever the phase was. */
static void test_recovery(World *w, gconstpointer unused)
{
    static const JournalPhase phases[] = {JOURNAL_IDLE, JOURNAL_SERVING, JOURNAL_ANSWERED,
                                          JOURNAL_BACKGROUND, JOURNAL_PASSED};
    uint32_t a = add(w, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(phases); i++) {
        journal_begin(&w->journal, JOURNAL_SERVING, 1); /* a log of before, with an act */
        thing(w, a)->value = 1;
        begin_act(w, 5, "x");
        journal_end(&w->journal);
        journal_begin(&w->journal, JOURNAL_SERVING, 2);
        thing(w, a)->value = 50;
        w->journal.shared->phase = phases[i];
        die(w);
        bool undecided = journal_is_undecided(&w->journal);
        g_assert_true(undecided ==
                      (phases[i] == JOURNAL_SERVING || phases[i] == JOURNAL_BACKGROUND));
        if (undecided)
            journal_rollback(&w->journal);
        uint64_t then = undecided ? 1 : 50;
        for (int deaths = 0; deaths < 2; deaths++) {
            g_assert_cmpuint(value(w, a), ==, then);
            journal_recovery_begin(&w->journal);
            thing(w, a)->value = 60;
            die(w);
            g_assert_true(journal_is_undecided(&w->journal));
            g_assert_cmpint(journal_phase(&w->journal), ==, phases[i]);
            journal_rollback(&w->journal);
        }
        journal_recovery_begin(&w->journal);
        thing(w, a)->value = 70;
        journal_recovery_end(&w->journal);
        die(w);
        g_assert_true(journal_is_undecided(&w->journal) == undecided);
        if (undecided)
            journal_rollback(&w->journal);
        g_assert_cmpuint(value(w, a), ==, undecided ? 1 : 70);
        journal_begin(&w->journal, JOURNAL_SERVING, 3);
        thing(w, a)->value = 1;
        journal_end(&w->journal);
    }
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void test_descriptors(World *w, gconstpointer unused)
{
    int fds[40];
    journal_begin(&w->journal, JOURNAL_SERVING, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++) {
        fds[i] = fcntl(w->fd, F_DUPFD_CLOEXEC, 0);
        g_assert_cmpint(journal_close(&w->journal, fds[i]), ==, -1);
        g_assert_true(is_open(fds[i])); /* a record that comes back may name it */
    }
    journal_end(&w->journal);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        g_assert_false(is_open(fds[i]));
    int fd = fcntl(w->fd, F_DUPFD_CLOEXEC, 0);
    journal_close(&w->journal, fd); /* no operation is under way */
    g_assert_false(is_open(fd));
    journal_close(NULL, -1);
}

/* Nothing in a file is believed that leads outside of it. */
static void test_damaged(World *w, gconstpointer unused)
{
    static const uint32_t bad[][4] = {
        {9, 1, 0, 0}, {0, THINGS + 1, 0, 0}, {0, 0, 0, 0}, {0, 1, 7, 0}};
    uint32_t a = add(w, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        journal_begin(&w->journal, JOURNAL_SERVING, 1);
        thing(w, a)->value = 2;
        uint32_t *kept = (uint32_t *)w->journal.undo;
        kept[0] = bad[i][0];
        kept[1] = bad[i][1];
        if (bad[i][2])
            kept[2] = bad[i][2];
        die(w);
        g_assert_cmpuint(journal_rollback(&w->journal), ==, 0);
        journal_end(&w->journal);
    }
    detach(w);
    uint64_t huge = UINT64_MAX / 2;
    g_assert_cmpint(pwrite(w->fd, &huge, sizeof huge, offsetof(JournalShared, undo_used)), ==, 8);
    g_assert_cmpint(journal_init(&w->journal, w->fd, 0), ==, -EPROTO);
    huge = 0;
    g_assert_cmpint(pwrite(w->fd, &huge, sizeof huge, offsetof(JournalShared, undo_used)), ==, 8);
    uint32_t third = 2;
    g_assert_cmpint(pwrite(w->fd, &third, sizeof third, offsetof(JournalShared, current)), ==, 4);
    g_assert_cmpint(journal_init(&w->journal, w->fd, 0), ==, -EPROTO);
    third = 0;
    g_assert_cmpint(pwrite(w->fd, &third, sizeof third, offsetof(JournalShared, current)), ==, 4);
    attach(w);
}

/* Moves value about, one unit an operation, in two records and through a third that is made and
 * goes; with acts in between. Until it is killed. */
static void move_value(World *w)
{
    GRand *random = g_rand_new_with_seed((guint32)getpid());
    for (uint64_t n = 1;; n++) {
        uint32_t from = (uint32_t)g_rand_int_range(random, 1, 9);
        uint32_t to = (uint32_t)g_rand_int_range(random, 1, 9);
        journal_begin(&w->journal, JOURNAL_SERVING, n);
        uint32_t between = add(w, 0);
        thing(w, from)->value--;
        thing(w, between)->value++;
        if (n % 3 == 0) {
            begin_act(w, 5, "x");
            journal_act_done(&w->journal, 0);
        }
        thing(w, to)->value += thing(w, between)->value;
        slot_release(&w->things, between);
        journal_answer(&w->journal, NULL, 0);
        journal_end(&w->journal);
    }
}

static uint64_t sum(World *w)
{
    uint64_t total = 0;
    for (uint32_t i = 1; i <= w->things.used; i++)
        if (slot_is_used(&w->things, i))
            total += value(w, i);
    return total;
}

/* Whether it is before or after the act to which it was brought back, no unit is lost or doubled.
 */
static void test_killed(World *w, gconstpointer unused)
{
    int rounds = g_getenv("LOCKFS_QUICK") ? 50 : 200, undecided = 0;
    for (uint32_t i = 1; i <= 8; i++)
        add(w, SUM);
    for (int round = 0; round < rounds; round++) {
        pid_t pid = fork();
        if (pid == 0)
            move_value(w);
        g_assert_cmpint(pid, >, 0);
        uint64_t seen = w->journal.shared->stamp;
        while (__atomic_load_n(&w->journal.shared->stamp, __ATOMIC_ACQUIRE) == seen)
            sched_yield();
        for (volatile int spin = g_random_int_range(0, 3000); spin > 0; spin--)
            ;
        kill(pid, SIGKILL);
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
        die(w);
        undecided += journal_is_undecided(&w->journal);
        if (journal_is_undecided(&w->journal))
            journal_rollback(&w->journal);
        slot_array_count(&w->things);
        g_assert_cmpuint(sum(w), ==, 8 * SUM);
        if (w->things.live > 8) { /* the one between, of before an act */
            journal_begin(&w->journal, JOURNAL_SERVING, 0);
            for (uint32_t i = 9; i <= w->things.used; i++) {
                if (!slot_is_used(&w->things, i))
                    continue;
                thing(w, 1)->value += thing(w, i)->value;
                slot_release(&w->things, i);
            }
        }
        journal_end(&w->journal);
    }
    g_test_message("%d of %d deaths in the middle", undecided, rounds);
    g_assert_cmpint(undecided, >, 0);
}

#define ADD(name) g_test_add("/journal/" #name, World, NULL, world_open, test_##name, world_close)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD(rollback);
    ADD(rollback_again);
    ADD(phases);
    ADD(answer_too_large);
    ADD(acts);
    ADD(act_half_begun);
    ADD(failures);
    ADD(growth);
    ADD(recovery);
    ADD(descriptors);
    ADD(damaged);
    ADD(killed);
    return g_test_run();
}
