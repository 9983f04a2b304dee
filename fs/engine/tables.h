/* The tables of an engine in their file, without the engine. */
#ifndef LOCKFS_ENGINE_TABLES_H
#define LOCKFS_ENGINE_TABLES_H

#include "engine/engine.h"
#include "engine/layout.h"

/* The journal is first in the file. */
#define TABLES_NAMES_AT (1ULL << 32)
#define TABLES_STORE_AT (TABLES_NAMES_AT + NAMES_FILE_SPAN)
#define TABLES_CLAIMS_AT (TABLES_STORE_AT + STORE_FILE_SPAN)
#define TABLES_PATHS_AT (TABLES_CLAIMS_AT + CLAIM_TABLE_FILE_SPAN)
#define TABLES_HEALS_AT (TABLES_PATHS_AT + (1ULL << 40))
#define TABLES_ABOVE_AT (TABLES_HEALS_AT + (1ULL << 40))
#define TABLES_TOTALS_AT (TABLES_ABOVE_AT + (1ULL << 40))
#define TABLES_END (TABLES_TOTALS_AT + (1ULL << 40))

/* Maps them; `file` is borrowed. locks: how many there may be. 0 or negative errno; *engine is to
 * be closed in any case. */
int tables_map(Engine *engine, int file, uint32_t locks, uint64_t first_token, int root_fd,
               bool in_place);

/* Those that another process left, to be read. layout: NULL for the present one. */
int tables_open(Engine *engine, int file, const Layout *layout);
void tables_close(Engine *engine);

#endif
