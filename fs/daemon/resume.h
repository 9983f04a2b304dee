/* A program takes another's place, and with it the mount: the worker becomes the keeper when that
 * was killed, and an installed binary replaces a running one.
 *
 * Both are an exec that keeps every descriptor. What the new program must know is in the state
 * file, of which it is told the descriptor through the environment; then it goes on like any keeper
 * whose worker has died.
 */
#ifndef LOCKFS_DAEMON_RESUME_H
#define LOCKFS_DAEMON_RESUME_H

#include "engine/adopt.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A process that served, to be known again. */
typedef struct {
    int32_t pid;
    uint32_t spare;
    uint64_t start_time, inode; /* as in a Pidref */
} ResumeProcess;

/* In the state file. Strings are empty where there is none. Fields are appended only; those that a
 * version did not have are zero. */
typedef struct {
    char magic[8];
    uint32_t version;      /* of the layout of everything in the file: see engine/layout.h */
    uint32_t record_sizes; /* of all tables, added up */
    char boot_id[40];
    int32_t connection, root, lock;
    bool network, in_place;
    uint64_t device; /* of the mounted filesystem; from version 2 on */
    char mountpoint[PATH_MAX], source[PATH_MAX], scratch[PATH_MAX], path[PATH_MAX];
    uint64_t pid_ns;              /* in which pids are counted; from version 3 on */
    char program[32];             /* its version; from version 3 on */
    ResumeProcess keeper, worker; /* from version 3 on */
} ResumeHeader;

/* This process is the worker now. */
void resume_note_worker(int state, const Proc *proc);

/* Ends what is left of the processes that served, and waits until none of them can run any more.
 * false: one still can, and a message was printed. */
bool resume_end_old(int state, const Proc *proc);

/* What this program writes. */
uint32_t resume_version(void);

/* Writes the header that resume_read() finds. 0 or negative errno. */
int resume_write(int state, const Proc *proc, ResumeHeader *header);

/* What the environment says: the descriptor of the state file to go on with, or -1. *check: only
 * say whether that is possible. */
int resume_asked(bool *check);

/* Reads and checks the header. false: a message was printed. */
bool resume_read(int state, const Proc *proc, ResumeHeader *header);

/* The header of an earlier mount's file. false: its tables cannot be read, and a message was
 * printed. */
bool resume_read_left(int state, ResumeHeader *header);

/* What the pids in the header's file are to us. */
EngineWorld resume_world(const ResumeHeader *header, const Proc *proc);

/* Brings the tables into the present layout, by a process of its own: whoever waits for workers
 * keeps its few pages. 0 or negative errno; to be tried again then. */
int resume_convert(int state, uint32_t version);

/* What the installed program says of itself, asked whether it can go on with a state. */
typedef struct {
    char version[32];
    uint32_t layout;   /* that it writes */
    char problem[512]; /* why it cannot */
} ResumeInstalled;

/* Asks it. The worker goes on serving. false: it cannot, or does not answer. */
bool resume_ask_installed(int state, ResumeInstalled *installed);

/* The answer, when this program is asked and can. */
void resume_say_yes(void);

/* Replaces this program, by the installed one or by itself. Returns only on failure: negative
 * errno, and nothing has changed. No descriptor may be opened or closed meanwhile. */
int resume_exec(int state, bool installed);

#endif
