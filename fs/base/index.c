#include "base/index.h"

#include <string.h>
#include <sys/auxv.h>

static guint hash_pointer(gconstpointer key)
{
    uint64_t h = (uint64_t)key;
    return (guint)(h ^ (h >> 32));
}

void index_init(Index *index, IndexLinkFunc link, void *records)
{
    index->first = g_hash_table_new(hash_pointer, g_direct_equal);
    index->link = link;
    index->records = records;
}

void index_done(Index *index)
{
    g_clear_pointer(&index->first, g_hash_table_unref);
}

void index_add(Index *index, uint64_t hash, uint32_t slot)
{
    *index->link(index->records, slot) = index_first(index, hash);
    g_hash_table_insert(index->first, (gpointer)hash, GUINT_TO_POINTER(slot));
}

void index_remove(Index *index, uint64_t hash, uint32_t slot)
{
    uint32_t at = index_first(index, hash);
    uint32_t next = *index->link(index->records, slot);
    if (at == slot) {
        if (next)
            g_hash_table_insert(index->first, (gpointer)hash, GUINT_TO_POINTER(next));
        else
            g_hash_table_remove(index->first, (gpointer)hash);
        return;
    }
    while (at) {
        uint32_t *link = index->link(index->records, at);
        if (*link == slot) {
            *link = next;
            return;
        }
        at = *link;
    }
}

static uint64_t seed;

/* The kernel hands every process 16 random bytes. */
static void __attribute__((constructor)) draw_seed(void)
{
    memcpy(&seed, (const void *)getauxval(AT_RANDOM), sizeof seed);
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)(a ^ 0x9e3779b97f4a7c15ULL) * (b ^ 0xd6e8feb86659fd93ULL);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t index_hash_pair(uint64_t a, uint64_t b)
{
    return mix(a ^ seed, b);
}

uint64_t index_hash_name(uint64_t dir, const char *name)
{
    size_t len = strlen(name);
    uint64_t h = mix(dir ^ seed, len);
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, name, 8);
        h = mix(h, word);
        name += 8;
        len -= 8;
    }
    uint64_t tail = 0;
    memcpy(&tail, name, len);
    return mix(h, tail);
}
