/* Records that grow and never move: ids name one use of a slot, exhaustion is an answer, space is
 * used again. */
#include "base/slots.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    SlotHead head;
    uint64_t value;
    char more[48];
} Thing;

static int file;

static void array_init(SlotArray *array, uint32_t max)
{
    g_assert_cmpint(ftruncate(file, 0), ==, 0); /* a new one, not that of the last test */
    g_assert_cmpint(slot_array_init(array, file, 0, sizeof(Thing), max), ==, 0);
}

static uint32_t take(SlotArray *array, uint64_t value)
{
    uint32_t i = slot_reserve(array);
    g_assert_cmpuint(i, !=, 0);
    Thing *t = slot_at(array, i);
    t->value = value;
    slot_publish(array, i);
    return i;
}

static void test_life(void)
{
    SlotArray array;
    array_init(&array, 100);
    g_assert_null(slot_find(&array, 0));
    g_assert_null(slot_find(&array, 1));
    uint32_t i = slot_reserve(&array);
    g_assert_cmpuint(i, !=, 0);
    g_assert_null(slot_find(&array, i)); /* not before it is published */
    g_assert_cmpuint(array.live, ==, 1);
    slot_publish(&array, i);
    g_assert_true(slot_find(&array, i) == slot_at(&array, i));
    slot_release(&array, i);
    g_assert_null(slot_find(&array, i));
    g_assert_cmpuint(array.live, ==, 0);
    slot_array_done(&array);
}

/* An id made from one use never finds the next one, also when the slot is the same. */
static void test_generations(void)
{
    SlotArray array;
    array_init(&array, 4);
    uint64_t old[2000];
    for (unsigned n = 0; n < G_N_ELEMENTS(old); n++) {
        uint32_t i = take(&array, n);
        old[n] = slot_id(&array, i);
        g_assert_true(slot_find_id(&array, old[n]) == slot_at(&array, i));
        g_assert_cmpuint(slot_id_index(old[n]), ==, i);
        for (unsigned before = n > 50 ? n - 50 : 0; before < n; before++) {
            g_assert_cmpuint(old[before], !=, old[n]);
            g_assert_null(slot_find_id(&array, old[before]));
        }
        slot_release(&array, i);
    }
    g_assert_null(slot_find_id(&array, 0));
    g_assert_null(slot_find_id(&array, UINT64_MAX));
    slot_array_done(&array);
}

/* What was reserved and not published leaves no trace: neither a generation nor its bytes. */
static void test_cancelled(void)
{
    SlotArray array;
    array_init(&array, 1);
    uint32_t i = slot_reserve(&array);
    ((Thing *)slot_at(&array, i))->value = 77;
    memset(((Thing *)slot_at(&array, i))->more, 'x', sizeof((Thing *)0)->more);
    slot_release(&array, i);
    g_assert_null(slot_find(&array, i));
    g_assert_cmpuint(slot_reserve(&array), ==, i);
    const Thing *t = slot_at(&array, i);
    static const char zeros[sizeof t->more];
    g_assert_cmpuint(t->value, ==, 0);
    g_assert_cmpmem(t->more, sizeof t->more, zeros, sizeof zeros);
    g_assert_cmpuint(t->head.next_free, ==, 0);
    slot_publish(&array, i);
    g_assert_nonnull(slot_find(&array, i));
    slot_array_done(&array);
}

static void test_exhaustion(void)
{
    SlotArray array;
    array_init(&array, 10000);
    for (uint32_t n = 0; n < 10000; n++)
        take(&array, n);
    g_assert_cmpuint(slot_reserve(&array), ==, 0);
    g_assert_cmpuint(array.live, ==, 10000);
    for (uint32_t i = 1; i <= 10000; i += 7)
        slot_release(&array, i);
    uint32_t room = 10000 - array.live;
    for (uint32_t n = 0; n < room; n++)
        take(&array, n);
    g_assert_cmpuint(slot_reserve(&array), ==, 0);
    slot_array_done(&array);
}

/* A record stays where it is while the array grows, and another mapping of the file sees it. */
static void test_never_moves(void)
{
    SlotArray array, again;
    array_init(&array, 100000);
    uint32_t first = take(&array, 4711);
    const Thing *at = slot_at(&array, first);
    for (uint32_t n = 0; n < 50000; n++)
        take(&array, n);
    g_assert_true(slot_at(&array, first) == at);
    g_assert_cmpuint(at->value, ==, 4711);
    slot_release(&array, first + 1);
    g_assert_cmpint(slot_array_init(&again, file, 0, sizeof(Thing), 100000), ==, 0);
    g_assert_cmpuint(again.used, ==, array.used);
    g_assert_cmpuint(again.live, ==, array.live);
    g_assert_cmpuint(slot_reserve(&again), ==, first + 1); /* found free by counting */
    g_assert_true(slot_at(&again, first) != slot_at(&array, first));
    g_assert_cmpuint(((const Thing *)slot_at(&again, first))->value, ==, 4711);
    g_assert_cmpuint(((const SlotHead *)slot_at(&again, first))->generation & 1, ==, 1);
    slot_array_done(&again);
    slot_array_done(&array);
}

/* Two arrays in one file keep out of each other's way. */
static void test_windows(void)
{
    SlotArray low, high;
    array_init(&low, 20000);
    g_assert_cmpint(slot_array_init(&high, file, 1ULL << 40, sizeof(Thing), 20000), ==, 0);
    for (uint32_t n = 1; n <= 20000; n++) {
        g_assert_cmpuint(take(&low, n), ==, n);
        g_assert_cmpuint(take(&high, n + 1000000), ==, n);
    }
    for (uint32_t n = 1; n <= 20000; n++) {
        g_assert_cmpuint(((Thing *)slot_at(&low, n))->value, ==, n);
        g_assert_cmpuint(((Thing *)slot_at(&high, n))->value, ==, n + 1000000);
    }
    slot_array_done(&high);
    slot_array_done(&low);
}

/* A file that may not grow is an answer at reserve, not a signal at the first store. */
static void test_file_cannot_grow(void)
{
    SlotArray array;
    close(file);
    file = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    array_init(&array, 100000);
    uint32_t first = take(&array, 1);
    g_assert_cmpint(fcntl(file, F_ADD_SEALS, F_SEAL_GROW), ==, 0);
    uint32_t taken = 1;
    while (slot_reserve(&array))
        taken++;
    g_assert_cmpuint(taken, <, 100000);
    g_assert_cmpuint(array.live, ==, taken);
    slot_release(&array, first);
    g_assert_cmpuint(slot_reserve(&array), ==, first);
    slot_array_done(&array);
}

static void in_new_file(gconstpointer test)
{
    file = slot_file_new("test");
    g_assert_cmpint(file, >=, 0);
    ((void (*)(void))test)();
    close(file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/slots/life", test_life, in_new_file);
    g_test_add_data_func("/slots/generations", test_generations, in_new_file);
    g_test_add_data_func("/slots/cancelled", test_cancelled, in_new_file);
    g_test_add_data_func("/slots/exhaustion", test_exhaustion, in_new_file);
    g_test_add_data_func("/slots/never-moves", test_never_moves, in_new_file);
    g_test_add_data_func("/slots/windows", test_windows, in_new_file);
    g_test_add_data_func("/slots/file-cannot-grow", test_file_cannot_grow, in_new_file);
    return g_test_run();
}
