/* Records of locks: what is found is a process id, a host name ends, and what is refused is left
 * alone. */
#include "claims/lock-record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool (*parse)(const char *text, size_t len, LockRecord *out), const char *text,
                  size_t size)
{
    LockRecord record, before;
    memset(&record, 0x5a, sizeof record);
    before = record;
    if (!parse(text, size, &record)) {
        if (memcmp(&record, &before, sizeof record) != 0)
            abort();
    } else if (record.pid <= 0 || !memchr(record.host, 0, sizeof record.host)) {
        abort();
    }
}

static bool parse_name(const char *text, size_t len, LockRecord *out)
{
    char *name = strndup(text, len);
    bool found = lock_record_parse_name(name, out);
    free(name);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(lock_record_parse, (const char *)data, size);
    check(lock_record_parse_link, (const char *)data, size);
    check(parse_name, (const char *)data, size);
    return 0;
}
