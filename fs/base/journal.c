#include "base/journal.h"

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/mman.h>

#define SHARED_SIZE 65536
#define REPLY_AT SHARED_SIZE
#define UNDO_AT (4ULL << 20)
#define UNDO_WINDOW (JOURNAL_FILE_SPAN - UNDO_AT)
#define UNDO_GROW (256ULL << 10)
#define UNDO_KEPT (4ULL << 20)

/* Beside the phase: a recovery is changing records. */
#define RECOVERING 0x100U

/* A kept record, followed by its bytes. */
typedef struct {
    uint32_t array, index;
    uint64_t size;
} Kept;

static bool undo_reserve(Journal *journal, uint64_t end)
{
    while (end > journal->undo_grown) {
        if (journal->undo_grown + UNDO_GROW > UNDO_WINDOW ||
            fallocate(journal->fd, 0, (off_t)(UNDO_AT + journal->undo_grown), UNDO_GROW) != 0)
            return false;
        journal->undo_grown += UNDO_GROW;
    }
    return true;
}

/* Writes a record at `at` of the log; the position after it, or `at` without room: then the record
 * is not brought back after a crash in this operation, and the rebuilding that follows (the
 * engine's recover.c) mends what it can. */
static uint64_t write_kept(Journal *journal, uint64_t at, uint32_t number, uint32_t index)
{
    const SlotArray *array = journal->arrays[number];
    uint64_t end = at + sizeof(Kept) + array->record;
    if (!undo_reserve(journal, end))
        return at;
    Kept *kept = (Kept *)(journal->undo + at);
    *kept = (Kept){number, index, array->record};
    memcpy(kept + 1, slot_peek(array, index), array->record);
    return end;
}

static void set_used(Journal *journal, uint64_t used)
{
    __atomic_store_n(&journal->shared->undo_used, used, __ATOMIC_RELEASE);
}

static void keep(SlotKeeper *keeper, uint32_t number, uint32_t index)
{
    Journal *journal = (Journal *)keeper;
    if (index == 0)
        return;
    set_used(journal, write_kept(journal, journal->shared->undo_used, number, index));
    SlotHead *head = slot_peek(journal->arrays[number], index);
    __atomic_store_n(&head->stamp, keeper->stamp, __ATOMIC_RELEASE);
}

/* Where the log begins that leads back to the last point of no return. */
static uint64_t section(const JournalShared *shared)
{
    const JournalAct *act = &shared->acts[shared->current];
    return act->state == ACT_STATE_NONE ? 0 : act->undo_from;
}

/* What is in the file leads nowhere else. */
static bool is_sound(const JournalShared *shared, int fd)
{
    struct stat st;
    return shared->current < G_N_ELEMENTS(shared->acts) && fstat(fd, &st) == 0 &&
           shared->undo_used <= (uint64_t)st.st_size - UNDO_AT &&
           section(shared) <= shared->undo_used;
}

int journal_init(Journal *journal, int fd, uint64_t offset)
{
    *journal = (Journal){.keeper = {.keep = keep}, .fd = fd};
    if (offset != 0) /* one journal to a file, at its beginning */
        return -EINVAL;
    if (fallocate(fd, 0, 0, REPLY_AT + JOURNAL_REPLY_MAX) != 0 ||
        fallocate(fd, 0, UNDO_AT, UNDO_GROW) != 0)
        return -errno;
    void *base =
        mmap(NULL, JOURNAL_FILE_SPAN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED)
        return -errno;
    if (!is_sound(base, fd)) {
        munmap(base, JOURNAL_FILE_SPAN);
        return -EPROTO;
    }
    journal->shared = base;
    journal->reply = (char *)base + REPLY_AT;
    journal->undo = (char *)base + UNDO_AT;
    journal->undo_grown = UNDO_GROW;
    while (journal->shared->undo_used > journal->undo_grown)
        journal->undo_grown += UNDO_GROW;
    return 0;
}

void journal_done(Journal *journal)
{
    if (journal->shared)
        munmap(journal->shared, JOURNAL_FILE_SPAN);
    for (unsigned i = 0; i < journal->n_arrays; i++)
        journal->arrays[i]->keeper = NULL;
    g_free(journal->closes);
    *journal = (Journal){.fd = -1};
}

void journal_add(Journal *journal, SlotArray *array)
{
    array->number = journal->n_arrays;
    journal->arrays[journal->n_arrays++] = array;
    array->keeper = &journal->keeper;
}

/* The record may have been smaller when it was kept (an older program's). */
static bool can_be_brought_back(const Journal *journal, const Kept *kept, uint64_t left)
{
    if (left < sizeof *kept || kept->array >= journal->n_arrays)
        return false;
    const SlotArray *array = journal->arrays[kept->array];
    return kept->index > 0 && kept->index <= array->grown && kept->size >= sizeof(SlotHead) &&
           kept->size <= array->record && kept->size <= left - sizeof *kept;
}

unsigned journal_rollback(Journal *journal)
{
    JournalShared *shared = journal->shared;
    unsigned n = 0;
    for (uint64_t at = section(shared); at < shared->undo_used;) {
        const Kept *kept = (const Kept *)(journal->undo + at);
        if (!can_be_brought_back(journal, kept, shared->undo_used - at))
            break;
        const SlotArray *array = journal->arrays[kept->array];
        memcpy(slot_peek(array, kept->index), kept + 1, kept->size);
        at += sizeof *kept + kept->size;
        n++;
    }
    set_used(journal, section(shared)); /* it is done: who comes next need not */
    for (unsigned i = 0; i < journal->n_arrays; i++)
        slot_array_count(journal->arrays[i]);
    return n;
}

static void open_section(Journal *journal)
{
    journal->keeper.stamp = ++journal->shared->stamp;
}

JournalPhase journal_phase(const Journal *journal)
{
    return (JournalPhase)(journal->shared->phase & ~RECOVERING);
}

bool journal_is_undecided(const Journal *journal)
{
    JournalPhase phase = journal_phase(journal);
    return phase == JOURNAL_SERVING || phase == JOURNAL_BACKGROUND ||
           (journal->shared->phase & RECOVERING);
}

void journal_recovery_begin(Journal *journal)
{
    JournalShared *shared = journal->shared;
    if (!journal_is_undecided(journal)) { /* what is in the log is over */
        shared->acts[shared->current].state = ACT_STATE_NONE;
        set_used(journal, 0);
        __atomic_store_n(&shared->phase, shared->phase | RECOVERING, __ATOMIC_RELEASE);
    }
    open_section(journal);
}

void journal_recovery_end(Journal *journal)
{
    journal->keeper.stamp = 0;
    journal->n_closes = 0; /* nobody names them: they are swept with all that the dead one left */
    __atomic_store_n(&journal->shared->phase, (uint32_t)journal_phase(journal), __ATOMIC_RELEASE);
}

static void set_phase(Journal *journal, JournalPhase phase)
{
    if (phase == JOURNAL_ANSWERED || phase == JOURNAL_PASSED)
        journal->shared->answers++;
    __atomic_store_n(&journal->shared->phase, phase, __ATOMIC_RELEASE);
}

void journal_begin(Journal *journal, JournalPhase phase, uint64_t unique)
{
    JournalShared *shared = journal->shared;
    shared->undo_used = 0;
    shared->acts[shared->current].state = ACT_STATE_NONE;
    shared->reply_size = 0;
    shared->n_failures = 0;
    shared->unique = unique;
    shared->moment = 0;
    set_phase(journal, phase);
    open_section(journal);
}

void journal_resume(Journal *journal)
{
    JournalShared *shared = journal->shared;
    shared->undo_used = section(shared);
    open_section(journal);
}

void journal_answer(Journal *journal, const struct iovec *iov, int count)
{
    size_t at = 0;
    for (int i = 0; i < count && at <= JOURNAL_REPLY_MAX; i++) {
        if (at + iov[i].iov_len <= JOURNAL_REPLY_MAX)
            memcpy(journal->reply + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    journal->keeper.stamp = 0;
    if (at > JOURNAL_REPLY_MAX) {
        set_phase(journal, JOURNAL_PASSED);
        return;
    }
    journal->shared->reply_size = (uint32_t)at;
    CRASH_POINT("answer-kept");
    set_phase(journal, JOURNAL_ANSWERED);
    CRASH_POINT("answer-in-force");
}

void journal_pass(Journal *journal)
{
    journal->keeper.stamp = 0;
    set_phase(journal, JOURNAL_PASSED);
}

/* After an operation that touched very many records. */
static void shrink(Journal *journal)
{
    set_used(journal, 0);
    if (fallocate(journal->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  (off_t)(UNDO_AT + UNDO_GROW), (off_t)(journal->undo_grown - UNDO_GROW)) == 0)
        journal->undo_grown = UNDO_GROW;
}

void journal_end(Journal *journal)
{
    journal->keeper.stamp = 0;
    CRASH_POINT("operation-ending");
    set_phase(journal, JOURNAL_IDLE);
    CRASH_POINT("operation-ended");
    if (journal->undo_grown > UNDO_KEPT)
        shrink(journal);
    for (unsigned i = 0; i < journal->n_closes; i++)
        fd_close(journal->closes[i]);
    journal->n_closes = 0;
}

int64_t journal_moment(Journal *journal)
{
    if (!journal_is_open(journal))
        return clock_real_ns();
    if (journal->shared->moment == 0)
        journal->shared->moment = clock_real_ns();
    return journal->shared->moment;
}

int journal_close(Journal *journal, int fd)
{
    if (fd < 0)
        return -1;
    if (!journal || !journal_is_open(journal))
        return fd_close(fd);
    if (journal->n_closes == journal->max_closes) {
        journal->max_closes = journal->max_closes ? 2 * journal->max_closes : 16;
        journal->closes = g_renew(int, journal->closes, journal->max_closes);
    }
    journal->closes[journal->n_closes++] = fd;
    return -1;
}

JournalAct *journal_act_next(Journal *journal)
{
    return &journal->shared->acts[1 - journal->shared->current];
}

void journal_act_begin(Journal *journal)
{
    JournalShared *shared = journal->shared;
    JournalAct *act = journal_act_next(journal);
    /* Who holds a record already will not ask for it again: all are kept anew. */
    uint64_t end = shared->undo_used;
    for (uint64_t at = section(shared); at < shared->undo_used;) {
        const Kept *kept = (const Kept *)(journal->undo + at);
        end = write_kept(journal, end, kept->array, kept->index);
        at += sizeof *kept + kept->size;
    }
    act->undo_from = shared->undo_used;
    act->result = 0;
    act->state = ACT_STATE_BEGUN;
    __atomic_store_n(&shared->current, 1 - shared->current, __ATOMIC_RELEASE);
    set_used(journal, end);
    CRASH_POINT("act-begun");
}

JournalAct *journal_act(const Journal *journal)
{
    JournalAct *act = &journal->shared->acts[journal->shared->current];
    return act->state == ACT_STATE_NONE ? NULL : act;
}

static uint32_t hash_names(const JournalAct *act)
{
    return g_str_hash(act->name) * 31 + g_str_hash(act->new_name);
}

static void note_failure(JournalShared *shared, const JournalAct *act, int result)
{
    if (shared->n_failures == JOURNAL_FAILURES)
        return;
    shared->failures[shared->n_failures] = (JournalFailure){
        act->op, result, act->flags, hash_names(act), act->dir_ino, act->new_dir_ino};
    __atomic_store_n(&shared->n_failures, shared->n_failures + 1, __ATOMIC_RELEASE);
}

bool journal_act_is_same(const JournalAct *one, const JournalAct *other)
{
    return one->op == other->op && one->flags == other->flags && one->dir_ino == other->dir_ino &&
           one->dir_dev == other->dir_dev && one->new_dir_ino == other->new_dir_ino &&
           one->new_dir_dev == other->new_dir_dev && strcmp(one->name, other->name) == 0 &&
           strcmp(one->new_name, other->new_name) == 0;
}

int journal_failure(const Journal *journal, const JournalAct *act)
{
    const JournalShared *shared = journal->shared;
    for (uint32_t i = 0; i < shared->n_failures; i++) {
        const JournalFailure *failure = &shared->failures[i];
        if (failure->op == act->op && failure->flags == act->flags &&
            failure->dir_ino == act->dir_ino && failure->new_dir_ino == act->new_dir_ino &&
            failure->names == hash_names(act))
            return failure->result;
    }
    return 0;
}

void journal_act_done(Journal *journal, int result)
{
    CRASH_POINT("act-executed");
    JournalAct *act = &journal->shared->acts[journal->shared->current];
    if (result < 0)
        note_failure(journal->shared, act, result);
    act->result = result;
    __atomic_store_n(&act->state, ACT_STATE_DONE, __ATOMIC_RELEASE);
    CRASH_POINT("act-done");
}
