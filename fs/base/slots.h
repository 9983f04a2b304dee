/* Records of one size in memory that grows and never moves.
 *
 * A SlotArray lives in a window of a mapped file, so a record's address is stable in this process,
 * its index is stable across processes, and whatever else maps the same file finds the same
 * records. Every record begins with a SlotHead. It becomes valid by one store, slot_publish(), made
 * when all its other bytes are in place; it ends by one store, slot_release(). What a reader of the
 * file finds between the two is free space. The free list and the counts are private and are
 * counted anew from the heads by whoever maps a file that has records in it already.
 *
 *     uint32_t i = slot_reserve(a);          // 0: no room; the record is zeroed but for its head
 *     Thing *t = slot_at(a, i);
 *     t->x = ...;
 *     slot_publish(a, i);
 *     ...
 *     slot_release(a, i);                    // also gives back a slot that was never published
 *
 * Not thread-safe: the owner of the array brings the lock.
 */
#ifndef LOCKFS_BASE_SLOTS_H
#define LOCKFS_BASE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The generation counts up at publish and at release: odd means in use. A number made of index and
 * generation names one use of a slot and no later one. */
typedef struct {
    uint32_t generation;
    uint32_t next_free;
    uint64_t stamp; /* the journal's: when the record was last kept */
} SlotHead;

/* What lies in the place of slot 0, which is never used. */
typedef struct {
    uint32_t record;
    uint32_t grown;
    uint32_t used;
    uint32_t spare;
    uint64_t counter; /* the user's, in one piece with the records */
} SlotExtent;

/* Where an array lies in its file, and how large its records are. */
typedef struct {
    uint64_t offset;
    size_t record;
} SlotPlace;

/* Told of every record before anybody can change it (see journal.h). */
typedef struct SlotKeeper SlotKeeper;
struct SlotKeeper {
    uint64_t stamp; /* records with another one are to be kept; 0: none are */
    void (*keep)(SlotKeeper *keeper, uint32_t array, uint32_t index);
};

typedef struct {
    char *base;
    SlotKeeper *keeper; /* NULL: none */
    uint32_t number;    /* by which the keeper knows this array */
    size_t record;
    uint32_t max;
    uint32_t grown; /* slots that have memory behind them */
    uint32_t used;  /* slots ever handed out */
    uint32_t free_head;
    uint32_t live;
    int fd;
    uint64_t offset;
} SlotArray;

/* An anonymous file for slot arrays to live in. Negative errno on failure. */
int slot_file_new(const char *name);

/* Other memory in that file, all of it there. 0 or negative errno. */
int slot_file_map(int fd, uint64_t offset, size_t size, void **out);
void slot_file_unmap(void *memory, size_t size);

/* Sets up an array of up to `max` records of `record` bytes (a multiple of 8) at `offset` of the
 * file, or takes up the one that is there. The descriptor is borrowed. 0 or negative errno;
 * -EPROTO: the records there are of another size, or more than `max`. */
int slot_array_init(SlotArray *array, int fd, uint64_t offset, size_t record, uint32_t max);
void slot_array_done(SlotArray *array);

/* Counts the records anew, after somebody else changed them. */
void slot_array_count(SlotArray *array);

static inline SlotExtent *slot_extent(const SlotArray *array)
{
    return (SlotExtent *)array->base;
}

uint32_t slot_reserve(SlotArray *array);
void slot_publish(SlotArray *array, uint32_t index);
void slot_release(SlotArray *array, uint32_t index);

/* The record, to read only. */
static inline void *slot_peek(const SlotArray *array, uint32_t index)
{
    return array->base + (size_t)index * array->record;
}

/* The record, kept by the journal first, since it may be changed now. */
static inline void *slot_at(const SlotArray *array, uint32_t index)
{
    SlotHead *head = slot_peek(array, index);
    SlotKeeper *keeper = array->keeper;
    if (keeper && keeper->stamp && head->stamp != keeper->stamp)
        keeper->keep(keeper, array->number, index);
    return head;
}

/* Of a record of this array. */
static inline uint32_t slot_index(const SlotArray *array, const void *record)
{
    return (uint32_t)(((const char *)record - array->base) / array->record);
}

static inline bool slot_is_used(const SlotArray *array, uint32_t index)
{
    if (index == 0 || index > array->used)
        return false;
    const SlotHead *head = slot_peek(array, index);
    return head->generation & 1;
}

/* The record, or NULL when there is none in use under this index. */
static inline void *slot_find(const SlotArray *array, uint32_t index)
{
    return slot_is_used(array, index) ? slot_at(array, index) : NULL;
}

/* The same, to read only: for walks over all records, which the journal need not keep. */
static inline const void *slot_look(const SlotArray *array, uint32_t index)
{
    return slot_is_used(array, index) ? slot_peek(array, index) : NULL;
}

/* One use of a slot as a number. */
static inline uint64_t slot_id(const SlotArray *array, uint32_t index)
{
    const SlotHead *head = slot_peek(array, index);
    return ((uint64_t)head->generation << 32) | index;
}

static inline uint32_t slot_id_index(uint64_t id)
{
    return (uint32_t)id;
}

/* The record that this id named when it was made, or NULL when that one has ended. */
static inline void *slot_find_id(const SlotArray *array, uint64_t id)
{
    SlotHead *head = slot_find(array, slot_id_index(id));
    return head && head->generation == (uint32_t)(id >> 32) ? head : NULL;
}

#endif
