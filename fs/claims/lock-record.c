#include "claims/lock-record.h"

#include "claims/lock-record-json.h"

#include <glib.h>
#include <string.h>

/* PID_MAX_LIMIT of Linux. */
#define PID_LIMIT (4 * 1024 * 1024)

#define MAX_LINES 64

/* A stretch of the text. */
typedef struct {
    const char *at;
    size_t len;
} Span;

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static Span trim(Span s)
{
    while (s.len && is_space(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len && is_space(s.at[s.len - 1]))
        s.len--;
    return s;
}

static Span head_of(Span s, size_t len)
{
    return (Span){s.at, len};
}

static Span tail_of(Span s, size_t from)
{
    return (Span){s.at + from, s.len - from};
}

/* Where c stands last; s.len: nowhere. */
static size_t last_of(Span s, char c)
{
    for (size_t i = s.len; i > 0; i--)
        if (s.at[i - 1] == c)
            return i - 1;
    return s.len;
}

static size_t first_of(Span s, char c)
{
    const char *found = s.len ? memchr(s.at, c, s.len) : NULL;
    return found ? (size_t)(found - s.at) : s.len;
}

static bool parse_number(Span s, unsigned base, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0 || s.len > 18)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        int digit = base == 16 ? g_ascii_xdigit_value(s.at[i]) : g_ascii_digit_value(s.at[i]);
        if (digit < 0)
            return false;
        value = value * base + (unsigned)digit;
    }
    *out = value;
    return true;
}

static bool parse_pid(Span s, LockRecord *record)
{
    uint64_t value;
    if (!parse_number(s, 10, &value) || value == 0 || value > PID_LIMIT)
        return false;
    record->pid = (pid_t)value;
    return true;
}

static bool parse_host(Span s, LockRecord *record)
{
    if (s.len == 0 || s.len >= sizeof record->host)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!g_ascii_isalnum(s.at[i]) && s.at[i] != '.' && s.at[i] != '_' && s.at[i] != '-')
            return false;
    memcpy(record->host, s.at, s.len);
    record->host[s.len] = '\0';
    return true;
}

/* HOST or HOST/NAMESPACE, the latter in hexadecimal. */
static bool parse_host_and_ns(Span s, LockRecord *record)
{
    size_t slash = first_of(s, '/');
    if (slash < s.len && !parse_number(tail_of(s, slash + 1), 16, &record->pid_ns))
        return false;
    return parse_host(head_of(s, slash), record);
}

/* HOST<c>PID, split where c stands last. */
static bool parse_split(Span s, char c, LockRecord *record)
{
    size_t at = last_of(s, c);
    return at < s.len && parse_pid(tail_of(s, at + 1), record) &&
           parse_host_and_ns(head_of(s, at), record);
}

/* PID HOST, PID:HOST */
static bool parse_pid_first(Span s, char c, LockRecord *record)
{
    size_t at = first_of(s, c);
    return at < s.len && parse_pid(head_of(s, at), record) &&
           parse_host(trim(tail_of(s, at + 1)), record);
}

/* USER@HOST.PID or USER@HOST.PID:BOOT */
static bool parse_user_host(Span s, LockRecord *record)
{
    size_t at = last_of(s, '@');
    uint64_t boot;
    if (at == s.len)
        return false;
    s = tail_of(s, at + 1);
    size_t colon = last_of(s, ':');
    if (colon < s.len && !parse_number(tail_of(s, colon + 1), 10, &boot))
        return false;
    return parse_split(head_of(s, colon), '.', record);
}

static bool parse_with_host(Span s, LockRecord *record)
{
    return parse_user_host(s, record) || parse_split(s, ':', record) ||
           parse_split(s, '-', record) || parse_split(s, '.', record);
}

bool lock_record_parse_link(const char *text, size_t len, LockRecord *out)
{
    LockRecord record = {0};
    Span s = {text, len};
    if (len > LOCK_RECORD_MAX || (!parse_pid(s, &record) && !parse_with_host(s, &record)))
        return false;
    *out = record;
    return true;
}

bool lock_record_parse_name(const char *name, LockRecord *out)
{
    LockRecord record = {0};
    uint64_t id, thread;
    Span s = {name, strlen(name)};
    size_t dash = last_of(s, '-'), at = first_of(s, '@');
    if (dash == s.len || at > dash || !parse_number(tail_of(s, dash + 1), 10, &thread))
        return false;
    Span host = head_of(s, at), rest = {s.at + at + 1, dash - at - 1};
    size_t dot = first_of(rest, '.');
    if (dot == rest.len || !parse_number(head_of(rest, dot), 10, &id) ||
        !parse_pid(tail_of(rest, dot + 1), &record) || !parse_host(host, &record))
        return false;
    *out = record;
    return true;
}

bool lock_record_is_member(const char *name)
{
    static const char *const names[] = {"owner",      "owner.json", "pid",  "lock.pid",
                                        "LOCK_OWNER", "lock.json",  "info", "info.json"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* --- lines --- */

static unsigned split_lines(Span s, Span lines[MAX_LINES])
{
    unsigned n = 0;
    while (s.len && n < MAX_LINES) {
        size_t end = first_of(s, '\n');
        Span line = trim(head_of(s, end));
        if (line.len)
            lines[n++] = line;
        s = end < s.len ? tail_of(s, end + 1) : (Span){s.at, 0};
    }
    return s.len ? 0 : n;
}

static bool starts_with_slash(Span s)
{
    return s.len && s.at[0] == '/';
}

/* A number alone; what follows it is a host (two lines), or the rest of a postmaster.pid: the data
 * directory, then the time of the start. */
static bool parse_numbered(const Span *lines, unsigned n, LockRecord *record)
{
    if (!parse_pid(lines[0], record))
        return false;
    if (n == 1)
        return true;
    if (n == 2)
        return parse_host(lines[1], record);
    return starts_with_slash(lines[1]) && parse_number(lines[2], 10, &record->start);
}

static bool parse_line(Span line, LockRecord *record)
{
    return parse_pid_first(line, ' ', record) || parse_pid_first(line, ':', record) ||
           parse_with_host(line, record);
}

static bool is_key(Span key, const char *const *names)
{
    for (; *names; names++)
        if (key.len == strlen(*names) && g_ascii_strncasecmp(key.at, *names, key.len) == 0)
            return true;
    return false;
}

/* KEY: VALUE or KEY=VALUE; keys that say nothing to us are passed over. */
static bool parse_pair(Span line, LockRecord *record)
{
    static const char *const pid[] = {"pid", NULL}, *const host[] = {"hostname", "host", NULL},
                             *const start[] = {"start_time", "starttime", NULL};
    size_t at = MIN(first_of(line, ':'), first_of(line, '='));
    if (at == line.len)
        return false;
    Span key = trim(head_of(line, at)), value = trim(tail_of(line, at + 1));
    if (is_key(key, pid))
        return record->pid == 0 && parse_pid(value, record);
    if (is_key(key, host))
        return record->host[0] == '\0' && parse_host(value, record);
    if (is_key(key, start))
        return parse_number(value, 10, &record->start);
    return true;
}

static bool parse_pairs(const Span *lines, unsigned n, LockRecord *record)
{
    for (unsigned i = 0; i < n; i++)
        if (!parse_pair(lines[i], record))
            return false;
    return record->pid != 0;
}

static bool parse_lines(Span text, LockRecord *out)
{
    Span lines[MAX_LINES];
    unsigned n = split_lines(text, lines);
    LockRecord numbered = {0}, line = {0}, pairs = {0};
    if (n == 0)
        return false;
    if (parse_numbered(lines, n, &numbered))
        *out = numbered;
    else if (parse_pairs(lines, n, &pairs))
        *out = pairs;
    else if (n == 1 && parse_line(lines[0], &line))
        *out = line;
    else
        return false;
    return true;
}

bool lock_record_parse(const char *text, size_t len, LockRecord *out)
{
    LockRecord record = {0};
    if (len > LOCK_RECORD_MAX)
        return false;
    while (len && (text[len - 1] == '\0' || g_ascii_isspace(text[len - 1])))
        len--;
    if (len == 0 || memchr(text, '\0', len))
        return false;
    bool found = text[0] == '{' ? lock_record_parse_json(text, len, &record)
                                : parse_lines((Span){text, len}, &record);
    if (!found || record.pid <= 0 || record.pid > PID_LIMIT)
        return false;
    *out = record;
    return true;
}

/* --- comparing --- */

bool lock_record_join(LockRecord *record, const LockRecord *other)
{
    if (record->pid != other->pid)
        return false;
    if (record->host[0] && other->host[0] && !lock_record_same_host(record->host, other->host))
        return false;
    if (record->start && other->start && record->start != other->start)
        return false;
    if (!record->host[0])
        memcpy(record->host, other->host, sizeof record->host);
    record->start = MAX(record->start, other->start);
    record->pid_ns = MAX(record->pid_ns, other->pid_ns);
    return true;
}

bool lock_record_same_host(const char *a, const char *b)
{
    size_t short_a = strcspn(a, "."), short_b = strcspn(b, ".");
    if (g_ascii_strcasecmp(a, b) == 0)
        return true;
    return (a[short_a] == '\0') != (b[short_b] == '\0') && short_a == short_b &&
           g_ascii_strncasecmp(a, b, short_a) == 0;
}
