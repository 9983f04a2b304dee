/* Taking over the tables of a process that died while it served.
 *
 * engine_init() has mapped them. engine_recover() brings back the records that an operation under
 * way had changed, counts and indexes everything anew, and closes what the dead process had opened
 * and no record names. What it was doing for a caller is finished by whoever serves (see the fuse
 * layer); what it was doing on its own is finished by engine_recover_background().
 *
 *     engine_init → engine_recover → (the interrupted request) → engine_start
 */
#ifndef LOCKFS_ENGINE_RECOVER_H
#define LOCKFS_ENGINE_RECOVER_H

#include "engine/notice.h"

/* Or of all processes that served: descriptors went with them (but for those the file and the
 * source are given by), and whoever begins again has said so with engine_recover_without(). Then
 * owners are proven anew and files are opened again; engine_recover_rest() does, once the
 * interrupted request is finished, what that one was in the way of. A takeover that is killed
 * before that begins again.
 */

typedef struct {
    uint32_t claims;    /* carried over */
    uint32_t undone;    /* records brought back */
    uint32_t swept;     /* descriptors closed */
    uint32_t handles;   /* open files carried over */
    JournalPhase phase; /* in which it died */
} EngineRecovery;

/* `keep` says of a descriptor that it is not the tables' but somebody's all the same. */
int engine_recover(Engine *engine, bool (*keep)(void *ctx, int fd), void *ctx,
                   EngineRecovery *recovery);

/* Before engine_init(): no descriptor that the records in `file` name is there any more. 0 or
 * negative errno. */
int engine_recover_without(int file);

/* Returns how many open files are lost. */
unsigned engine_recover_rest(Engine *engine);

/* After a death in JOURNAL_BACKGROUND. */
void engine_recover_background(Engine *engine);

/* Counts the takeover and tells listeners of it. */
void engine_taken_over(Engine *engine, const Takeover *takeover);

/* Is every record what the others say it is? For what comes from a file. false: *problem says what
 * not (to be freed). */
bool engine_check(const Engine *engine, char **problem);

#endif
