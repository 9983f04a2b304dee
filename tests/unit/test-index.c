/* The index from hashes to slots, also when hashes are equal. */
#include "base/index.h"

#include <string.h>

#define SLOTS 64
#define STEPS 100000

typedef struct {
    uint32_t next[SLOTS + 1];
    uint64_t hash[SLOTS + 1]; /* 0: not in the index */
} Records;

static uint32_t *link_of(void *records, uint32_t slot)
{
    return &((Records *)records)->next[slot];
}

static unsigned chain_length(const Index *index, const Records *records, uint64_t hash)
{
    unsigned n = 0;
    for (uint32_t i = index_first(index, hash); i; i = records->next[i]) {
        g_assert_cmpuint(records->hash[i], ==, hash);
        g_assert_cmpuint(++n, <=, SLOTS);
    }
    return n;
}

static void check(const Index *index, const Records *records, const uint64_t *hashes, unsigned n)
{
    for (unsigned h = 0; h < n; h++) {
        unsigned want = 0;
        for (uint32_t i = 1; i <= SLOTS; i++)
            want += records->hash[i] == hashes[h];
        g_assert_cmpuint(chain_length(index, records, hashes[h]), ==, want);
    }
}

/* Three hashes for all: chains are long, and the ends of the range are used. */
static void test_equal_hashes(void)
{
    static const uint64_t hashes[] = {1, UINT64_MAX, 1ULL << 32};
    Records records = {0};
    Index index;
    index_init(&index, link_of, &records);
    for (int step = 0; step < STEPS; step++) {
        uint32_t slot = (uint32_t)g_test_rand_int_range(1, SLOTS + 1);
        if (records.hash[slot]) {
            index_remove(&index, records.hash[slot], slot);
            records.hash[slot] = 0;
        } else {
            records.hash[slot] = hashes[g_test_rand_int_range(0, 3)];
            index_add(&index, records.hash[slot], slot);
        }
        check(&index, &records, hashes, G_N_ELEMENTS(hashes));
    }
    index_done(&index);
}

static void test_first_middle_last(void)
{
    for (uint32_t gone = 1; gone <= 3; gone++) {
        Records records = {.hash = {0, 9, 9, 9}};
        Index index;
        const uint64_t hash = 9;
        index_init(&index, link_of, &records);
        for (uint32_t i = 1; i <= 3; i++)
            index_add(&index, 9, i);
        g_assert_cmpuint(index_first(&index, 9), ==, 3);
        index_remove(&index, 9, gone);
        records.hash[gone] = 0;
        check(&index, &records, &hash, 1);
        for (uint32_t i = 1; i <= 3; i++)
            if (i != gone)
                index_remove(&index, 9, i);
        g_assert_cmpuint(index_first(&index, 9), ==, 0);
        index_done(&index);
    }
}

static void test_hashes(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_int64_hash, g_int64_equal);
    static uint64_t values[30000];
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *name = g_strdup_printf("%u.lock", i / 10);
        values[i] = index_hash_name(i % 10, name);
        g_assert_cmpuint(values[i], ==, index_hash_name(i % 10, name));
        g_assert_true(g_hash_table_add(seen, &values[i]));
    }
    g_assert_cmpuint(index_hash_pair(1, 2), !=, index_hash_pair(2, 1));
    g_assert_cmpuint(index_hash_pair(1, 2), ==, index_hash_pair(1, 2));
}

/* Names that differ in length or in one byte at any place, zeros at the end of words included. */
static void test_like_names(void)
{
    char name[256];
    for (size_t length = 1; length < 255; length++) {
        memset(name, 'a', length);
        name[length] = '\0';
        uint64_t hash = index_hash_name(1, name);
        for (size_t i = 0; i < length; i++) {
            name[i] = 'b';
            g_assert_cmpuint(index_hash_name(1, name), !=, hash);
            name[i] = 'a';
        }
        name[length] = 'a';
        name[length + 1] = '\0';
        g_assert_cmpuint(index_hash_name(1, name), !=, hash);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/index/equal-hashes", test_equal_hashes);
    g_test_add_func("/index/first-middle-last", test_first_middle_last);
    g_test_add_func("/index/hashes", test_hashes);
    g_test_add_func("/index/like-names", test_like_names);
    return g_test_run();
}
