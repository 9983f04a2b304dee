/* What every holder says about its time with a lock, and the check that no two held one at once.
 *
 * A record is written by the holder into memory shared with the parent:
 *
 *     call to acquire  returns 0 | begin = now ......... end = now | call to release
 *                                  |<---- surely held ---->|
 *
 * The interval is inside the true one, so an overlap of two intervals is two owners for certain,
 * and never a matter of who was scheduled when. A holder that is killed leaves its end open; the
 * parent noted the time before it sent the signal, up to which the holder surely lived and held.
 */
#ifndef LOCKFS_TESTS_HAMMER_HISTORY_H
#define LOCKFS_TESTS_HAMMER_HISTORY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t lock;
    uint32_t life;       /* which process: an index into `killed` */
    int64_t begin;       /* 0: not written, the holder died in between */
    _Atomic int64_t end; /* 0: held until killed */
} HistoryRecord;

typedef struct {
    size_t capacity;
    size_t max_lives;
    _Atomic size_t used;     /* may run past capacity */
    _Atomic int64_t *killed; /* per life: the time just before SIGKILL, 0: not killed */
    HistoryRecord *records;
} History;

/* Shared with the children forked later. NULL when there is no memory. */
History *hammer_history_new(size_t capacity, size_t max_lives);

int64_t hammer_history_now(void);

/* Begins a record; NULL when the history is full. */
HistoryRecord *hammer_history_begin(History *history, uint32_t lock, uint32_t life);

size_t hammer_history_size(const History *history);

/* Prints each pair of owners that overlap, at most `max_shown`, and returns their number. Sorts the
 * records: to be called when no child lives. */
size_t hammer_history_check(History *history, size_t max_shown);

#endif
