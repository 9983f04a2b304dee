/* What a lock entry says of who holds it: the forms that programs leave behind. Pure, and fuzzed.
 *
 *     text of a file      1234 | 1234 HOST | 1234\nHOST | padded with spaces (uucp, X) |
 * postmaster.pid HOST:1234 | 1234:HOST | {"pid": 1234, "hostname": …} | pid: 1234 in lines symlink
 * or name     HOST-1234 | HOST.1234 | HOST:1234 | HOST/NAMESPACE:1234 | USER@HOST.1234:BOOT name in
 * a directory HOST@ID.1234-THREAD
 *
 * What is not wholly understood is no record: then nothing follows from it.
 */
#ifndef LOCKFS_CLAIMS_LOCK_RECORD_H
#define LOCKFS_CLAIMS_LOCK_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A longer file is no record. */
#define LOCK_RECORD_MAX 4096
#define LOCK_RECORD_HOST 256

typedef struct {
    pid_t pid;                   /* as its maker knew itself; never 0 */
    char host[LOCK_RECORD_HOST]; /* "": not said */
    uint64_t start; /* when the process started; 0: not said. In whatever unit the program counts */
    uint64_t pid_ns; /* the pid namespace by its number; 0: not said */
} LockRecord;

/* Each returns false on what it does not understand, and leaves *out untouched. */
bool lock_record_parse(const char *text, size_t len, LockRecord *out);
bool lock_record_parse_link(const char *text, size_t len, LockRecord *out);

/* In a lock directory: does a file of this name hold the record? Or is the name one? */
bool lock_record_is_member(const char *name);
bool lock_record_parse_name(const char *name, LockRecord *out);

/* Two records of one entry. false: they speak of different processes. */
bool lock_record_join(LockRecord *record, const LockRecord *other);

/* Do two names mean one host? One may be whole and the other without its domain. */
bool lock_record_same_host(const char *a, const char *b);

#endif
