#include "engine/tables.h"

#include "base/fd.h"
#include "engine/heals.h"
#include "engine/lasting.h"

#include <fcntl.h>
#include <unistd.h>

/* Windows of address space, not memory: what the kernel may refer to at once. */
#define MAX_NODES (1U << 25)

/* Dead claims take room beside the held ones until they are cleared away. */
#define CLAIMS_PER_LOCK 2
#define CLAIMS_SPARE 4096

static void keep_in_journal(Engine *engine)
{
    for (unsigned c = 0; c < NAMES_CLASSES; c++)
        journal_add(&engine->journal, &engine->names.classes[c]);
    journal_add(&engine->journal, &engine->store.nodes);
    journal_add(&engine->journal, &engine->store.handles);
    journal_add(&engine->journal, &engine->claims.claims);
    journal_add(&engine->journal, &engine->claims.owners);
    journal_add(&engine->journal, &engine->heal_records);
    journal_add(&engine->journal, &engine->totals);
    journal_add(&engine->journal, &engine->above);
    engine->store.journal = &engine->journal;
}

static uint32_t claims_for(uint32_t locks)
{
    return locks > (UINT32_MAX >> 3) ? UINT32_MAX >> 2 : locks * CLAIMS_PER_LOCK + CLAIMS_SPARE;
}

static int map_totals(Engine *engine, int file)
{
    int r = slot_array_init(&engine->totals, file, TABLES_TOTALS_AT, sizeof(TotalsRecord), 1);
    if (r == 0 && engine->totals.used == 0)
        slot_publish(&engine->totals, slot_reserve(&engine->totals));
    return r;
}

static int map_all(Engine *engine, int file, const Layout *layout, uint32_t locks,
                   uint64_t first_token, int root_fd, bool in_place)
{
    int r = journal_init(&engine->journal, file, 0);
    if (r == 0)
        r = names_init(&engine->names, file, TABLES_NAMES_AT, TABLES_PATHS_AT, MAX_NODES);
    if (r == 0)
        r = store_init(&engine->store, root_fd, in_place, &engine->names, file,
                       &layout->tables[LAYOUT_NODES], MAX_NODES, fd_raise_limit());
    if (r == 0)
        r = claim_table_init(&engine->claims, &engine->names, file, &layout->tables[LAYOUT_CLAIMS],
                             claims_for(locks), first_token);
    if (r == 0)
        r = slot_array_init(&engine->heal_records, file, TABLES_HEALS_AT, sizeof(HealRecord),
                            HEALS_RECORDS_MAX);
    if (r == 0)
        r = map_totals(engine, file);
    if (r == 0)
        r = slot_array_init(&engine->above, file, TABLES_ABOVE_AT, ENGINE_ABOVE_RECORD,
                            ENGINE_ABOVE_MAX);
    if (r == 0)
        r = slot_file_map(file, ENGINE_LASTING_AT, sizeof *engine->lasting,
                          (void **)&engine->lasting);
    if (r == 0)
        keep_in_journal(engine);
    return r;
}

int tables_map(Engine *engine, int file, uint32_t locks, uint64_t first_token, int root_fd,
               bool in_place)
{
    Layout layout;
    int r = layout_read(file, LAYOUT_VERSION, &layout);
    return r < 0 ? r : map_all(engine, file, &layout, locks, first_token, root_fd, in_place);
}

int tables_open(Engine *engine, int file, const Layout *layout)
{
    struct stat st;
    Layout present;
    if (fstat(file, &st) != 0 || st.st_size <= (off_t)TABLES_CLAIMS_AT)
        return -EPROTO; /* it was never finished */
    int r = layout ? 0 : layout_read(file, LAYOUT_VERSION, &present);
    if (r == 0)
        r = map_all(engine, file, layout ? layout : &present, UINT32_MAX, 0, -1, false);
    if (r < 0)
        tables_close(engine);
    return r;
}

void tables_close(Engine *engine)
{
    journal_done(&engine->journal);
    claim_table_done(&engine->claims);
    store_done(&engine->store);
    slot_array_done(&engine->heal_records);
    slot_array_done(&engine->totals);
    slot_array_done(&engine->above);
    slot_file_unmap(engine->lasting, sizeof *engine->lasting);
    engine->lasting = NULL;
    names_done(&engine->names);
}
