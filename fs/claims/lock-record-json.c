#include "claims/lock-record-json.h"

#include <glib.h>
#include <string.h>

/* Objects in objects; a record is no deeper. */
#define DEPTH_MAX 8
#define KEY_SIZE 32

typedef struct {
    const char *at, *end;
    LockRecord *out;
} Scan;

/* What a value was, as far as a record can use it. */
typedef struct {
    bool is_number;
    uint64_t number;
    bool is_string;
    char string[LOCK_RECORD_HOST]; /* cut where it is longer */
} Value;

static bool scan_value(Scan *scan, unsigned depth, bool heard, Value *value);

static void skip_space(Scan *scan)
{
    while (scan->at < scan->end && g_ascii_isspace(*scan->at))
        scan->at++;
}

/* The next character that is no space, not passed over; 0: the end. */
static char peek(Scan *scan)
{
    skip_space(scan);
    return (char)(scan->at < scan->end ? *scan->at : '\0');
}

static bool take(Scan *scan, char c)
{
    if (peek(scan) != c)
        return false;
    scan->at++;
    return true;
}

static bool take_word(Scan *scan, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, word, len) != 0)
        return false;
    scan->at += len;
    return true;
}

/* Escaped characters are of no host and no key that is looked for: each becomes '?'. */
static bool scan_string(Scan *scan, char *out, size_t size)
{
    size_t n = 0;
    if (!take(scan, '"'))
        return false;
    while (scan->at < scan->end && *scan->at != '"') {
        char c = *scan->at++;
        if ((unsigned char)c < ' ')
            return false;
        if (c == '\\') {
            if (scan->at == scan->end)
                return false;
            scan->at++;
            c = '?';
        }
        if (n + 1 < size)
            out[n++] = c;
    }
    out[n] = '\0';
    return take(scan, '"');
}

static bool is_of_number(char c)
{
    return g_ascii_isdigit(c) || c == '+' || c == '-' || c == '.' || c == 'e' || c == 'E';
}

/* Of a fraction the whole part counts; one with an exponent or a sign is not understood, but
 * passed. */
static bool scan_number(Scan *scan, Value *value)
{
    const char *begin = scan->at;
    while (scan->at < scan->end && is_of_number(*scan->at))
        scan->at++;
    size_t len = (size_t)(scan->at - begin), digits = 0;
    while (digits < len && digits < 18 && g_ascii_isdigit(begin[digits])) {
        value->number = value->number * 10 + (unsigned)g_ascii_digit_value(begin[digits]);
        digits++;
    }
    value->is_number = digits && (digits == len || begin[digits] == '.') &&
                       !memchr(begin, 'e', len) && !memchr(begin, 'E', len);
    return len > 0;
}

static bool is_one_of(const char *key, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(key, *names) == 0)
            return true;
    return false;
}

/* false: two processes are named, or one that cannot be. */
static bool hear(Scan *scan, const char *key, const Value *value)
{
    static const char *const
        pids[] = {"pid", "ownerPid", "owner_pid", "processId", "process_id", NULL},
        *const hosts[] = {"hostname", "host", "hostName", "ownerHost", NULL},
        *const starts[] = {"starttime",          "startTime",      "start_time", "processStartTime",
                           "process_start_time", "ownerStartTime", NULL};
    LockRecord *out = scan->out;
    if (is_one_of(key, pids)) {
        if (!value->is_number || value->number == 0 || value->number > G_MAXINT32 ||
            (out->pid && out->pid != (pid_t)value->number))
            return false;
        out->pid = (pid_t)value->number;
    } else if (is_one_of(key, hosts) && value->is_string) {
        if (out->host[0] && strcmp(out->host, value->string) != 0)
            return false;
        memcpy(out->host, value->string, sizeof out->host);
    } else if (is_one_of(key, starts) && value->is_number) {
        out->start = value->number;
    }
    return true;
}

static bool scan_members(Scan *scan, unsigned depth, bool heard)
{
    char key[KEY_SIZE];
    do {
        Value value = {0};
        if (!scan_string(scan, key, sizeof key) || !take(scan, ':') ||
            !scan_value(scan, depth, heard, &value) || (heard && !hear(scan, key, &value)))
            return false;
    } while (take(scan, ','));
    return take(scan, '}');
}

/* What stands in a list is one of several: nothing in it is heard. */
static bool scan_elements(Scan *scan, unsigned depth)
{
    do {
        Value value = {0};
        if (!scan_value(scan, depth, false, &value))
            return false;
    } while (take(scan, ','));
    return take(scan, ']');
}

static bool scan_value(Scan *scan, unsigned depth, bool heard, Value *value)
{
    char c = peek(scan);
    if (c == '{' || c == '[') {
        char end = c == '{' ? '}' : ']';
        scan->at++;
        if (depth == DEPTH_MAX)
            return false;
        if (take(scan, end))
            return true;
        return c == '{' ? scan_members(scan, depth + 1, heard) : scan_elements(scan, depth + 1);
    }
    if (c == '"') {
        value->is_string = true;
        return scan_string(scan, value->string, sizeof value->string);
    }
    if (c == '-' || g_ascii_isdigit(c))
        return scan_number(scan, value);
    return take_word(scan, "true") || take_word(scan, "false") || take_word(scan, "null");
}

bool lock_record_parse_json(const char *text, size_t len, LockRecord *out)
{
    Scan scan = {text, text + len, out};
    Value value = {0};
    return peek(&scan) == '{' && scan_value(&scan, 0, true, &value) && peek(&scan) == '\0' &&
           scan.at == scan.end && out->pid != 0;
}
