#include "hammer-history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static void *shared(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

History *hammer_history_new(size_t capacity, size_t max_lives)
{
    History *history = shared(sizeof(*history));
    if (!history)
        return NULL;
    history->capacity = capacity;
    history->max_lives = max_lives;
    history->killed = shared(max_lives * sizeof(*history->killed));
    history->records = shared(capacity * sizeof(*history->records));
    return history->killed && history->records ? history : NULL;
}

int64_t hammer_history_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

HistoryRecord *hammer_history_begin(History *history, uint32_t lock, uint32_t life)
{
    int64_t now = hammer_history_now();
    size_t index = atomic_fetch_add(&history->used, 1);
    if (index >= history->capacity)
        return NULL;
    HistoryRecord *record = &history->records[index];
    record->lock = lock;
    record->life = life;
    record->begin = now;
    return record;
}

size_t hammer_history_size(const History *history)
{
    size_t used = atomic_load(&history->used);
    return used < history->capacity ? used : history->capacity;
}

static int by_lock_and_begin(const void *a, const void *b)
{
    const HistoryRecord *left = a, *right = b;
    if (left->lock != right->lock)
        return left->lock < right->lock ? -1 : 1;
    return left->begin < right->begin ? -1 : left->begin > right->begin;
}

/* Until when the holder surely held. A record without a beginning, or with neither release nor
 * kill, proves nothing. */
static int64_t sure_end(const History *history, const HistoryRecord *record)
{
    int64_t end = atomic_load(&record->end), killed = atomic_load(&history->killed[record->life]);
    if (record->begin == 0 || (end == 0 && killed == 0))
        return record->begin;
    if (end == 0)
        return killed;
    return killed != 0 && killed < end ? killed : end;
}

static void show(const History *history, const HistoryRecord *a, const HistoryRecord *b)
{
    printf("VIOLATION lock %" PRIu32 ": process %" PRIu32 " held it %" PRId64 "..%" PRId64
           ", process %" PRIu32 " from %" PRId64 " on\n",
           a->lock, a->life, a->begin, sure_end(history, a), b->life, b->begin);
}

size_t hammer_history_check(History *history, size_t max_shown)
{
    size_t n = hammer_history_size(history), violations = 0;
    qsort(history->records, n, sizeof(*history->records), by_lock_and_begin);
    const HistoryRecord *longest = NULL;
    for (size_t i = 0; i < n; i++) {
        const HistoryRecord *record = &history->records[i];
        int64_t end = sure_end(history, record);
        if (record->begin == 0)
            continue;
        if (!longest || longest->lock != record->lock) {
            longest = record;
            continue;
        }
        if (record->begin < sure_end(history, longest) && end > record->begin &&
            violations++ < max_shown)
            show(history, longest, record);
        if (end > sure_end(history, longest))
            longest = record;
    }
    return violations;
}
