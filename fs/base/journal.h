/* What makes an operation on slot arrays all or nothing, and a request answered once, though the
 * process may be killed on any line.
 *
 * One operation is under way at a time (the engine's lock sees to that). Its life is the `phase` in
 * the mapped file, each step one store:
 *
 *     IDLE --journal_begin--> SERVING --journal_answer--> ANSWERED --journal_end--> IDLE
 *                                └-----journal_pass----> PASSED ----------^
 *     IDLE --journal_begin--> BACKGROUND --journal_end--> IDLE          (nobody waits for an
 * answer)
 *
 *   SERVING, BACKGROUND  records are being changed. Each was kept before its first change, so
 *                        journal_rollback() brings back what was there.
 *   ANSWERED             the changes stand, and the bytes of the answer are kept: they are what the
 *                        caller gets, now or from the next process.
 *   PASSED               the changes stand; the request may be run again for its answer, since it
 *                        changes nothing by itself (or somebody else answers it).
 *
 * A process that died in SERVING or BACKGROUND leaves an operation that is *undecided*: its records
 * are to be brought back. So it is while the next process puts the tables in order
 * (journal_recovery_begin), whatever the phase was.
 *
 * An *act* is the one step of an operation that this memory cannot take back: a system call that
 * changes the source. journal_act_begin() notes what will be done and what stood there before; it
 * is a point of no return for the changes made so far, and journal_rollback() goes back to it and
 * no further. Whether an act that was begun was also executed is for the caller to find out (see
 * store/act.h).
 *
 * Descriptors that records name are closed after the operation (journal_close), so that none is
 * missing when the records are brought back.
 */
#ifndef LOCKFS_BASE_JOURNAL_H
#define LOCKFS_BASE_JOURNAL_H

#include "base/slots.h"

#include <sys/stat.h>
#include <sys/uio.h>

#define JOURNAL_ARRAYS 16
#define JOURNAL_REPLY_MAX (1024 * 1024 + 4096)

typedef enum {
    JOURNAL_IDLE,
    JOURNAL_SERVING,
    JOURNAL_ANSWERED,
    JOURNAL_BACKGROUND,
    JOURNAL_PASSED,
} JournalPhase;

typedef enum {
    ACT_STATE_NONE,
    ACT_STATE_BEGUN,
    ACT_STATE_DONE,
    ACT_STATE_FORSAKEN, /* done, and is to be undone */
} JournalActState;

typedef struct {
    uint32_t state; /* JournalActState */
    uint32_t op;    /* the caller's */
    int32_t result;
    uint32_t flags;
    uint64_t undo_from; /* where the log begins that leads back to this act */
    uint64_t dir_dev, dir_ino, new_dir_dev, new_dir_ino;
    struct timespec begun; /* as files are stamped */
    bool existed, new_existed;
    struct stat st, new_st; /* what stood there */
    char name[256], new_name[256];
} JournalAct;

/* An act that came to nothing, before the one in force. */
typedef struct {
    uint32_t op;
    int32_t result;
    uint32_t flags;
    uint32_t names; /* hash of the old and the new one */
    uint64_t dir_ino, new_dir_ino;
} JournalFailure;

#define JOURNAL_FAILURES 8

/* In the mapped file. */
typedef struct {
    uint32_t phase;
    uint32_t current; /* which of the acts */
    uint64_t unique;
    uint64_t undo_used;
    uint64_t stamp;
    uint32_t reply_size; /* 0: none kept */
    uint32_t tries;      /* deaths in the request tried_unique */
    uint64_t tried_unique;
    int64_t moment; /* of the operation, since the epoch; 0: nobody has asked */
    uint32_t n_failures;
    uint32_t answers; /* counts them, and wraps around */
    uint32_t lost;    /* descriptors in the records mean nothing: see engine/recover.h */
    uint32_t inside;  /* the thread that is in a system call on our own mount; 0: none */
    JournalFailure failures[JOURNAL_FAILURES]; /* of this operation */
    JournalAct acts[2];
} JournalShared;

typedef struct {
    SlotKeeper keeper; /* first */
    JournalShared *shared;
    char *undo;
    char *reply;
    uint64_t undo_grown;
    SlotArray *arrays[JOURNAL_ARRAYS];
    unsigned n_arrays;
    int *closes;
    unsigned n_closes, max_closes;
    int fd;
} Journal;

/* Bytes of file from the offset on. */
#define JOURNAL_FILE_SPAN (1ULL << 31)

/* The journal must not move afterwards. 0 or negative errno; -EPROTO: what is in the file is
 * damaged. */
int journal_init(Journal *journal, int fd, uint64_t offset);
void journal_done(Journal *journal);

/* From here on the array's records are kept. Always in the same order. */
void journal_add(Journal *journal, SlotArray *array);

/* Brings back the records as they were when the operation, or its last act, began; counts the
 * arrays anew. Does not change the phase. Returns how many records; a log that is damaged ends
 * where it is. */
unsigned journal_rollback(Journal *journal);

JournalPhase journal_phase(const Journal *journal);
bool journal_is_undecided(const Journal *journal);

/* Around changes of records between journal_rollback() and whatever comes next: killed there, they
 * are brought back, too. The phase and the act stay what they are. */
void journal_recovery_begin(Journal *journal);
void journal_recovery_end(Journal *journal);

void journal_begin(Journal *journal, JournalPhase phase, uint64_t unique);

/* Takes up an operation after journal_rollback(): its act stays in force. */
void journal_resume(Journal *journal);

/* An answer that does not fit leaves the phase PASSED. */
void journal_answer(Journal *journal, const struct iovec *iov, int count);
void journal_pass(Journal *journal);
void journal_end(Journal *journal);

/* The operation under way changes records. */
static inline bool journal_is_open(const Journal *journal)
{
    return journal->keeper.stamp != 0;
}

/* The time of the operation under way, on the clock of the epoch in ns: the same when it is run
 * again, for what is named or dated by it. */
int64_t journal_moment(Journal *journal);

/* fd is closed when the operation under way has ended; at once when none is. Returns -1. A journal
 * that is NULL means none. */
int journal_close(Journal *journal, int fd);

/* --- acts --- */

/* Room for the next act; filled in by the caller and put in force by journal_act_begin(). */
JournalAct *journal_act_next(Journal *journal);
void journal_act_begin(Journal *journal);

/* The act in force; NULL: none. */
JournalAct *journal_act(const Journal *journal);
void journal_act_done(Journal *journal, int result);

/* Do both say the same is to be done at the same place? */
bool journal_act_is_same(const JournalAct *one, const JournalAct *other);

/* Was this act tried earlier in the operation, and failed? 0: no. */
int journal_failure(const Journal *journal, const JournalAct *act);

#endif
