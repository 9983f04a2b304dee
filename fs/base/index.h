/* An index from 64-bit hashes to slots, for records that carry their own chain link.
 *
 * The records hold the keys; the index holds only hash → first slot. Records whose hashes are equal
 * are chained through a uint32_t in each, which the caller reaches with a function. It can be
 * rebuilt from the records at any time, so it is private memory.
 */
#ifndef LOCKFS_BASE_INDEX_H
#define LOCKFS_BASE_INDEX_H

#include <glib.h>
#include <stdint.h>

typedef uint32_t *(*IndexLinkFunc)(void *records, uint32_t slot);

typedef struct {
    GHashTable *first; /* hash → slot */
    IndexLinkFunc link;
    void *records;
} Index;

void index_init(Index *index, IndexLinkFunc link, void *records);
void index_done(Index *index);
void index_add(Index *index, uint64_t hash, uint32_t slot);
void index_remove(Index *index, uint64_t hash, uint32_t slot);

/* First slot under this hash, 0 for none; the next ones come by the link. */
static inline uint32_t index_first(const Index *index, uint64_t hash)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(index->first, (gpointer)hash));
}

/* Mixing, seeded once a process so that names cannot be chosen to collide. */
uint64_t index_hash_pair(uint64_t a, uint64_t b);
uint64_t index_hash_name(uint64_t dir, const char *name);

#endif
