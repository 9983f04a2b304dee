#include "engine/layout.h"

#include "base/crash-point.h"
#include "engine/heals.h"
#include "engine/lasting.h"
#include "engine/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* In a page of its own, before the header. Files of version 1 and 2 have nothing there. */
#define LAYOUT_AT (ENGINE_HEADER_AT - 4096)

/* All of them below 16 TiB, where files of ext4 end. */
#define WINDOW (1ULL << 40)
#define OTHER_WINDOWS (8 * WINDOW)

G_STATIC_ASSERT(TABLES_END <= TABLES_STORE_AT + OTHER_WINDOWS);

typedef void (*Convert)(void *record);

/* Opened by a program that did not write down how: the descriptor says so, if it is here. */
static void note_flags(void *record)
{
    Handle *handle = record;
    handle->flags = handle->fd >= 0 ? fcntl(handle->fd, F_GETFL) : -1;
}

static const struct {
    uint32_t records[LAYOUT_TABLES];
    Convert convert[LAYOUT_TABLES]; /* to the next version; the new bytes are zero */
} versions[] = {
    [1] = {{104, 40, 136, 136}, {0}},
    [2] = {{104, 40, 136, 136}, {[LAYOUT_HANDLES] = note_flags}},
    [LAYOUT_VERSION] = {{sizeof(Node), sizeof(Handle), sizeof(Claim), sizeof(Owner)}, {0}},
};

/* Has been the same in all versions. */
#define JOURNAL_RECORD sizeof(JournalShared)

/* Not there before version 3, and not converted: there is room in them. */
#define OTHER_RECORDS                                                                              \
    (sizeof(HealRecord) + sizeof(TotalsRecord) + sizeof(Lasting) + ENGINE_ABOVE_RECORD)

static bool is_known(uint32_t version)
{
    return version >= 1 && version < G_N_ELEMENTS(versions);
}

uint32_t layout_record_sizes(uint32_t version)
{
    uint32_t sum = JOURNAL_RECORD + (version >= 3 ? OTHER_RECORDS : 0);
    for (int t = 0; is_known(version) && t < LAYOUT_TABLES; t++)
        sum += versions[version].records[t];
    return is_known(version) ? sum : 0;
}

static SlotPlace place_of(int table, uint32_t version, uint32_t moved)
{
    static const uint64_t home[LAYOUT_TABLES] = {TABLES_STORE_AT, TABLES_STORE_AT + WINDOW,
                                                 TABLES_CLAIMS_AT, TABLES_CLAIMS_AT + WINDOW};
    return (SlotPlace){home[table] + (moved >> table & 1 ? OTHER_WINDOWS : 0),
                       versions[version].records[table]};
}

static void place_all(Layout *layout)
{
    for (int t = 0; t < LAYOUT_TABLES; t++)
        layout->tables[t] = place_of(t, layout->version, layout->moved);
}

int layout_read(int file, uint32_t otherwise, Layout *layout)
{
    uint32_t said[2] = {0};
    if (pread(file, said, sizeof said, LAYOUT_AT) < 0)
        return -errno;
    Layout found = {.version = said[0] ? said[0] : otherwise, .moved = said[1]};
    if (!is_known(found.version))
        return -EPROTO;
    place_all(&found);
    *layout = found;
    return 0;
}

/* Within a page, so it is one store for whoever is killed. */
static int put_in_force(int file, const Layout *layout)
{
    uint32_t said[2] = {layout->version, layout->moved};
    ssize_t n = pwrite(file, said, sizeof said, LAYOUT_AT);
    return n < 0 ? -errno : n == sizeof said ? 0 : -ENOSPC;
}

int layout_write(int file, uint32_t version)
{
    return put_in_force(file, &(Layout){.version = is_known(version) ? version : LAYOUT_VERSION});
}

static void give_back(int file, const SlotPlace *place)
{
    fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)place->offset, WINDOW);
}

static void convert_record(void *record, int table, uint32_t version)
{
    for (; version < LAYOUT_VERSION; version++)
        if (versions[version].convert[table])
            versions[version].convert[table](record);
}

/* Free slots are copied, too: their generations go on. */
static int copy_table(const SlotArray *from, const SlotPlace *to, int table, uint32_t version)
{
    SlotArray array;
    give_back(from->fd, to); /* what an attempt has left that was killed */
    int r = slot_array_init(&array, from->fd, to->offset, to->record, from->max);
    if (r < 0)
        return r;
    for (uint32_t i = 1; r == 0 && i <= from->used; i++) {
        if (slot_reserve(&array) != i) {
            r = -ENOSPC;
            break;
        }
        memcpy(slot_peek(&array, i), slot_peek(from, i), MIN(from->record, to->record));
        if (slot_is_used(from, i))
            convert_record(slot_peek(&array, i), table, version);
    }
    slot_extent(&array)->counter = slot_extent(from)->counter;
    slot_array_done(&array);
    return r;
}

static int copy_grown(Engine *old, int file, Layout *was)
{
    const SlotArray *const arrays[LAYOUT_TABLES] = {&old->store.nodes, &old->store.handles,
                                                    &old->claims.claims, &old->claims.owners};
    Layout now = {.version = LAYOUT_VERSION, .moved = was->moved};
    int r = 0;
    for (int t = 0; t < LAYOUT_TABLES; t++)
        if (versions[was->version].records[t] != versions[LAYOUT_VERSION].records[t])
            now.moved ^= 1U << t;
    place_all(&now);
    for (int t = 0; r == 0 && t < LAYOUT_TABLES; t++)
        if ((was->moved ^ now.moved) >> t & 1)
            r = copy_table(arrays[t], &now.tables[t], t, was->version);
    CRASH_POINT("layout-copied");
    if (r == 0)
        r = put_in_force(file, &now);
    CRASH_POINT("layout-in-force");
    for (int t = 0; r == 0 && t < LAYOUT_TABLES; t++)
        if ((was->moved ^ now.moved) >> t & 1)
            give_back(file, &was->tables[t]);
    return r;
}

int layout_convert(int file, uint32_t otherwise)
{
    Layout was = {0};
    int r = layout_read(file, otherwise, &was);
    if (r < 0 || was.version == LAYOUT_VERSION)
        return r;
    g_autofree Engine *old = g_new0(Engine, 1);
    r = tables_open(old, file, &was);
    if (r < 0)
        return r;
    /* What the journal keeps is of the old size. */
    if (journal_is_undecided(&old->journal))
        journal_rollback(&old->journal);
    r = copy_grown(old, file, &was);
    tables_close(old);
    return r;
}
