/* The JSON form of a lock record (see lock-record.h): an object that names a process, itself or in
 * an object inside it. */
#ifndef LOCKFS_CLAIMS_LOCK_RECORD_JSON_H
#define LOCKFS_CLAIMS_LOCK_RECORD_JSON_H

#include "claims/lock-record.h"

/* *out is zeroed. false: no JSON object, no process in it, or more than one. */
bool lock_record_parse_json(const char *text, size_t len, LockRecord *out);

#endif
