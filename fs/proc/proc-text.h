/* Parsers of /proc text. Pure: bytes in, values out, no I/O. All are fuzzed.
 *
 * A process chooses its own name, so `comm` may hold spaces, parentheses and newlines; in
 * /proc/PID/stat it ends at the LAST ')', in /proc/PID/status such characters come escaped.
 * Every parser returns false on text it does not understand and then leaves *out untouched.
 */
#ifndef LOCKFS_PROC_PROC_TEXT_H
#define LOCKFS_PROC_PROC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_COMM_SIZE 64 /* the kernel's names are shorter; kernel workers' are the longest */
#define PROC_NS_DEPTH 33  /* MAX_PID_NS_LEVEL + 1 */

typedef struct {
    pid_t pid;
    char comm[PROC_COMM_SIZE];
    char state;
    pid_t ppid;
    pid_t session;
    uint64_t start_time; /* ticks since boot */
    bool kernel_thread;
    /* Addresses of the memory image; two processes that share all of them are one program and its
     * fork, because exec draws new ones. 0 where the reader may not see them. */
    uint64_t start_stack, arg_start, env_start;
} ProcStat;

typedef struct {
    pid_t tgid;
    pid_t ppid;
    uid_t uid; /* the file-system one */
    gid_t gid;
    int ns_depth; /* how many numbers NSpid has, outermost first; 0: no such line */
    pid_t ns_pids[PROC_NS_DEPTH];
} ProcStatus;

bool proc_text_stat(const char *text, size_t len, ProcStat *out);
bool proc_text_status(const char *text, size_t len, ProcStatus *out);

/* The n-th (from 0) argument in /proc/PID/cmdline, where each ends with NUL; the last may lack it.
 */
bool proc_text_argument(const char *text, size_t len, int n, const char **arg, size_t *arg_len);

/* The Groups: line of /proc/PID/status. Number of groups; -EINVAL: no such line, -E2BIG: more than
 * max. */
int proc_text_groups(const char *text, size_t len, gid_t *groups, int max);

/* The CapEff: line: a bit for each capability. */
bool proc_text_capabilities(const char *text, size_t len, uint64_t *out);

/* The path of the unified (v2) hierarchy in /proc/PID/cgroup: what follows "0::". */
bool proc_text_cgroup(const char *text, size_t len, char *path, size_t size);

/* Where the cgroup2 filesystem is mounted with its root, from /proc/self/mountinfo. The last such
 * mount wins: it lies on top. */
bool proc_text_cgroup_mount(const char *text, size_t len, char *path, size_t size);

/* Does /proc/locks list a lock on a file with this inode number (of any filesystem)? */
bool proc_text_locks_name(const char *text, size_t len, uint64_t ino);

typedef struct {
    int hidepid; /* 0, 1, 2 or 4; 2 as well for what is not understood */
    gid_t gid;   /* whose members nothing is hidden from */
} ProcMount;

/* The options of the proc filesystem that is mounted on top of /proc, from /proc/self/mountinfo. */
bool proc_text_proc_mount(const char *text, size_t len, ProcMount *out);

/* cgroup.events: its "populated" value, 0 or 1; -EINVAL when the text has none. */
int proc_text_populated(const char *text, size_t len);

#endif
