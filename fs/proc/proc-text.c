#include "proc/proc-text.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#define PF_KTHREAD 0x00200000U

/* What is left to read. */
typedef struct {
    const char *at;
    const char *end;
} Cursor;

static void skip_blanks(Cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

static bool take_u64(Cursor *c, uint64_t max, uint64_t *out)
{
    skip_blanks(c);
    const char *start = c->at;
    uint64_t value = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        unsigned digit = (unsigned)(*c->at - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (c->at == start)
        return false;
    *out = value;
    return true;
}

/* A pid, a session: kernels print -1 for a few of these numbers on a process that is going. */
static bool take_pid(Cursor *c, pid_t *out)
{
    skip_blanks(c);
    bool negative = c->at < c->end && *c->at == '-';
    if (negative)
        c->at++;
    uint64_t value;
    if (!take_u64(c, INT_MAX, &value))
        return false;
    *out = negative ? -(pid_t)value : (pid_t)value;
    return true;
}

/* Words, whatever they are: signed numbers that nobody asked for. */
static bool skip_words(Cursor *c, int count)
{
    while (count-- > 0) {
        skip_blanks(c);
        const char *start = c->at;
        while (c->at < c->end && *c->at != ' ' && *c->at != '\n')
            c->at++;
        if (c->at == start)
            return false;
    }
    return true;
}

static bool take_comm(Cursor *c, char *comm)
{
    const char *open = memchr(c->at, '(', (size_t)(c->end - c->at));
    const char *close = memrchr(c->at, ')', (size_t)(c->end - c->at));
    if (!open || !close || close < open)
        return false;
    size_t len = (size_t)(close - open - 1);
    if (len >= PROC_COMM_SIZE)
        len = PROC_COMM_SIZE - 1;
    memcpy(comm, open + 1, len);
    memset(comm + len, 0, PROC_COMM_SIZE - len);
    c->at = close + 1;
    return true;
}

/* The numbers before each skip are the field's position in proc(5). */
bool proc_text_stat(const char *text, size_t len, ProcStat *out)
{
    Cursor c = {text, text + len};
    ProcStat stat = {0};
    uint64_t flags;
    if (!take_pid(&c, &stat.pid) || !take_comm(&c, stat.comm))
        return false;
    skip_blanks(&c);
    if (c.at == c.end || !isalpha((unsigned char)*c.at))
        return false;
    stat.state = *c.at++;
    if (!take_pid(&c, &stat.ppid) || !skip_words(&c, 1) || !take_pid(&c, &stat.session))
        return false;
    if (!skip_words(&c, 2) || !take_u64(&c, UINT32_MAX, &flags)) /* 9 */
        return false;
    stat.kernel_thread = (flags & PF_KTHREAD) != 0;
    if (!skip_words(&c, 12) || !take_u64(&c, UINT64_MAX, &stat.start_time)) /* 22 */
        return false;
    if (!skip_words(&c, 5) || !take_u64(&c, UINT64_MAX, &stat.start_stack)) /* 28 */
        return false;
    if (!skip_words(&c, 19) || !take_u64(&c, UINT64_MAX, &stat.arg_start)) /* 48 */
        return false;
    if (!skip_words(&c, 1) || !take_u64(&c, UINT64_MAX, &stat.env_start)) /* 50 */
        return false;
    *out = stat;
    return true;
}

static bool take_line(Cursor *c, Cursor *line)
{
    if (c->at >= c->end)
        return false;
    const char *newline = memchr(c->at, '\n', (size_t)(c->end - c->at));
    *line = (Cursor){c->at, newline ? newline : c->end};
    c->at = newline ? newline + 1 : c->end;
    return true;
}

static bool starts_with(const Cursor *line, const char *key)
{
    size_t len = strlen(key);
    return (size_t)(line->end - line->at) >= len && memcmp(line->at, key, len) == 0;
}

/* Finds "Key:" and stands behind it. */
static bool find_key(const char *text, size_t len, const char *key, Cursor *value)
{
    Cursor c = {text, text + len};
    Cursor line;
    while (take_line(&c, &line)) {
        if (!starts_with(&line, key))
            continue;
        *value = (Cursor){line.at + strlen(key), line.end};
        return true;
    }
    return false;
}

static bool at_end(Cursor *c)
{
    skip_blanks(c);
    return c->at == c->end;
}

static bool status_pid(const char *text, size_t len, const char *key, pid_t *out)
{
    Cursor c;
    return find_key(text, len, key, &c) && take_pid(&c, out) && *out >= 0 && at_end(&c);
}

/* Real, effective, saved, file-system: the last counts here. */
static bool status_id(const char *text, size_t len, const char *key, uint32_t *out)
{
    Cursor c;
    uint64_t ids[4];
    if (!find_key(text, len, key, &c))
        return false;
    for (int i = 0; i < 4; i++)
        if (!take_u64(&c, UINT32_MAX, &ids[i]))
            return false;
    *out = (uint32_t)ids[3];
    return at_end(&c);
}

static bool status_ns_pids(const char *text, size_t len, ProcStatus *out)
{
    Cursor c;
    if (!find_key(text, len, "NSpid:", &c))
        return true;
    while (!at_end(&c)) {
        if (out->ns_depth == PROC_NS_DEPTH || !take_pid(&c, &out->ns_pids[out->ns_depth]))
            return false;
        out->ns_depth++;
    }
    return out->ns_depth > 0;
}

bool proc_text_status(const char *text, size_t len, ProcStatus *out)
{
    ProcStatus status = {0};
    if (!status_pid(text, len, "Tgid:", &status.tgid) || status.tgid == 0 ||
        !status_pid(text, len, "PPid:", &status.ppid) ||
        !status_id(text, len, "Uid:", &status.uid) || !status_id(text, len, "Gid:", &status.gid) ||
        !status_ns_pids(text, len, &status))
        return false;
    *out = status;
    return true;
}

bool proc_text_argument(const char *text, size_t len, int n, const char **arg, size_t *arg_len)
{
    const char *at = text;
    const char *end = text + len;
    for (; at < end; n--) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        const char *stop = nul ? nul : end;
        if (n == 0) {
            *arg = at;
            *arg_len = (size_t)(stop - at);
            return true;
        }
        at = nul ? nul + 1 : end;
    }
    return false;
}

int proc_text_groups(const char *text, size_t len, gid_t *groups, int max)
{
    Cursor c;
    if (!find_key(text, len, "Groups:", &c))
        return -EINVAL;
    /* Counted and checked first, so that a bad line leaves the caller's array as it was. */
    Cursor again = c;
    int count = 0;
    uint64_t gid;
    for (; !at_end(&c); count++)
        if (!take_u64(&c, UINT32_MAX, &gid))
            return -EINVAL;
    if (count > max)
        return -E2BIG;
    for (int i = 0; i < count && take_u64(&again, UINT32_MAX, &gid); i++)
        groups[i] = (gid_t)gid;
    return count;
}

bool proc_text_capabilities(const char *text, size_t len, uint64_t *out)
{
    Cursor c;
    uint64_t value = 0;
    if (!find_key(text, len, "CapEff:", &c))
        return false;
    skip_blanks(&c);
    const char *start = c.at;
    for (; c.at < c.end && isxdigit((unsigned char)*c.at); c.at++) {
        int digit = *c.at <= '9' ? *c.at - '0' : (*c.at | 0x20) - 'a' + 10;
        value = value << 4 | (uint64_t)digit;
    }
    if (c.at == start || c.at - start > 16 || !at_end(&c))
        return false;
    *out = value;
    return true;
}

static bool copy_out(const char *from, size_t len, char *path, size_t size)
{
    if (len >= size || memchr(from, '\0', len))
        return false;
    memcpy(path, from, len);
    path[len] = '\0';
    return true;
}

bool proc_text_cgroup(const char *text, size_t len, char *path, size_t size)
{
    Cursor c;
    if (!find_key(text, len, "0::", &c) || c.at == c.end || *c.at != '/')
        return false;
    return copy_out(c.at, (size_t)(c.end - c.at), path, size);
}

static bool take_word(Cursor *c, Cursor *word)
{
    skip_blanks(c);
    word->at = c->at;
    while (c->at < c->end && *c->at != ' ')
        c->at++;
    word->end = c->at;
    return word->at < word->end;
}

static bool word_is(const Cursor *word, const char *what)
{
    return (size_t)(word->end - word->at) == strlen(what) && starts_with(word, what);
}

static bool is_octal(const char *at)
{
    return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' &&
           at[2] <= '7';
}

/* Blanks and backslashes in a path come as \040 and the like. */
static bool unescape(const Cursor *word, char *path, size_t size)
{
    size_t n = 0;
    for (const char *at = word->at; at < word->end; at++) {
        char byte = *at;
        if (byte == '\\' && word->end - at >= 4 && is_octal(at + 1)) {
            byte = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
            at += 3;
        }
        if (byte == '\0' || n + 1 >= size)
            return false;
        path[n++] = byte;
    }
    path[n] = '\0';
    return n > 0;
}

/* "ID PARENT MAJ:MIN ROOT MOUNTPOINT OPTIONS [TAGS…] - TYPE SOURCE OPTIONS" */
typedef struct {
    Cursor root, point, type, options;
} MountLine;

static bool take_mount(Cursor line, MountLine *out)
{
    Cursor word;
    for (int i = 0; i < 3; i++)
        if (!take_word(&line, &word))
            return false;
    if (!take_word(&line, &out->root) || !take_word(&line, &out->point))
        return false;
    do {
        if (!take_word(&line, &word))
            return false;
    } while (!word_is(&word, "-"));
    if (!take_word(&line, &out->type) || !take_word(&line, &word))
        return false;
    take_word(&line, &out->options); /* may be empty */
    return true;
}

static bool is_cgroup_root(Cursor line, Cursor *point)
{
    MountLine mount;
    if (!take_mount(line, &mount) || !word_is(&mount.root, "/") || mount.point.at[0] != '/' ||
        !word_is(&mount.type, "cgroup2"))
        return false;
    *point = mount.point;
    return true;
}

bool proc_text_cgroup_mount(const char *text, size_t len, char *path, size_t size)
{
    Cursor c = {text, text + len};
    Cursor line;
    Cursor mount = {0};
    Cursor found = {0};
    while (take_line(&c, &line))
        if (is_cgroup_root(line, &mount))
            found = mount;
    char whole[PATH_MAX];
    return found.at && unescape(&found, whole, sizeof whole) &&
           copy_out(whole, strlen(whole), path, size);
}

static int hidepid_value(const Cursor *word)
{
    static const struct {
        const char *name;
        int value;
    } names[] = {{"off", 0},       {"0", 0},          {"noaccess", 1}, {"1", 1},
                 {"invisible", 2}, {"ptraceable", 4}, {"4", 4}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (word_is(word, names[i].name))
            return names[i].value;
    return 2;
}

static void read_proc_options(Cursor options, ProcMount *mount)
{
    static const char hidepid[] = "hidepid=", gid[] = "gid=";
    while (options.at < options.end) {
        const char *comma = memchr(options.at, ',', (size_t)(options.end - options.at));
        Cursor word = {options.at, comma ? comma : options.end};
        uint64_t number;
        options.at = comma ? comma + 1 : options.end;
        if (starts_with(&word, hidepid)) {
            word.at += sizeof hidepid - 1;
            mount->hidepid = hidepid_value(&word);
        } else if (starts_with(&word, gid)) {
            word.at += sizeof gid - 1;
            if (take_u64(&word, UINT32_MAX, &number) && at_end(&word))
                mount->gid = (gid_t)number;
        }
    }
}

bool proc_text_proc_mount(const char *text, size_t len, ProcMount *out)
{
    Cursor c = {text, text + len};
    Cursor line;
    MountLine mount, top = {0};
    while (take_line(&c, &line))
        if (take_mount(line, &mount) && word_is(&mount.point, "/proc"))
            top = mount;
    if (!top.type.at || !word_is(&top.type, "proc"))
        return false;
    *out = (ProcMount){0};
    read_proc_options(top.options, out);
    return true;
}

int proc_text_populated(const char *text, size_t len)
{
    Cursor c;
    uint64_t value;
    if (!find_key(text, len, "populated ", &c) || !take_u64(&c, 1, &value) || !at_end(&c))
        return -EINVAL;
    return (int)value;
}

/* MAJOR:MINOR:INODE */
static bool names_inode(Cursor word, uint64_t ino)
{
    uint64_t value;
    for (int colons = 0; colons < 2; colons++) {
        const char *colon = memchr(word.at, ':', (size_t)(word.end - word.at));
        if (!colon)
            return false;
        word.at = colon + 1;
    }
    return take_u64(&word, UINT64_MAX, &value) && at_end(&word) && value == ino;
}

bool proc_text_locks_name(const char *text, size_t len, uint64_t ino)
{
    Cursor c = {text, text + len};
    Cursor line, word;
    while (take_line(&c, &line))
        while (take_word(&line, &word))
            if (names_inode(word, ino))
                return true;
    return false;
}
