#include "engine/evidence.h"

#include "base/clock.h"
#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A lock directory holds no more. */
#define MEMBERS_MAX 16

/* More than that, and it cannot be told who locks what. */
#define LOCKS_TEXT (1 << 20)

static int64_t birth_of(int dir, const char *name)
{
    struct statx stx;
    if (statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &stx) != 0 ||
        !(stx.stx_mask & STATX_BTIME))
        return INT64_MAX;
    return stx.stx_btime.tv_sec * CLOCK_NS_PER_S + stx.stx_btime.tv_nsec;
}

/* mtime can be set to anything, so it only makes an entry older. */
static void note_times(Evidence *evidence, int dir, const char *name, const struct stat *st)
{
    int64_t birth = birth_of(dir, name), changed = clock_ns(st->st_ctim);
    evidence->entry.made_ns = MIN(MIN(birth, changed), clock_ns(st->st_mtim));
    evidence->entry.changed_ns = MAX(changed, birth == INT64_MAX ? changed : birth);
}

static bool is_unchanged(int fd, const struct stat *st)
{
    struct stat now;
    return fstat(fd, &now) == 0 && now.st_ino == st->st_ino && now.st_dev == st->st_dev &&
           clock_ns(now.st_ctim) == clock_ns(st->st_ctim);
}

/* false: it is not what was seen, or no plain file. *found: it holds a record. */
static bool read_file(int dir, const char *name, struct stat *st, LockRecord *record, bool *found)
{
    char text[LOCK_RECORD_MAX + 1];
    AUTO_FD int fd = fd_open_quietly(dir, name, O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || (st->st_ino == 0 && fstat(fd, st) != 0) || !S_ISREG(st->st_mode))
        return false;
    ssize_t len = pread(fd, text, sizeof text, 0);
    *found = len >= 0 && lock_record_parse(text, (size_t)len, record);
    return is_unchanged(fd, st);
}

static bool read_link(int dir, const char *name, LockRecord *record)
{
    char text[LOCK_RECORD_MAX];
    ssize_t len = readlinkat(dir, name, text, sizeof text);
    return len >= 0 && lock_record_parse_link(text, (size_t)len, record);
}

/* 1: it says nothing; -EAGAIN: it is changing, or says two things. */
static int read_member(int dir, const char *name, Evidence *evidence)
{
    LockRecord record = {0};
    bool found = lock_record_parse_name(name, &record);
    struct stat st = {0};
    if (!found && lock_record_is_member(name)) {
        if (!read_file(dir, name, &st, &record, &found))
            return -EAGAIN;
        evidence->entry.changed_ns = MAX(evidence->entry.changed_ns, clock_ns(st.st_ctim));
    }
    if (!found)
        return 1;
    if (evidence->recorded)
        return lock_record_join(&evidence->record, &record) ? 0 : -EAGAIN;
    evidence->record = record;
    evidence->recorded = true;
    evidence->file = (OpenFileId){st.st_dev, st.st_ino};
    return 0;
}

static int read_members(DIR *stream, Evidence *evidence)
{
    const struct dirent *entry;
    unsigned n = 0;
    while (errno = 0, (entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (n++ == MEMBERS_MAX) {
            evidence->recorded = false;
            return 0;
        }
        int r = read_member(dirfd(stream), entry->d_name, evidence);
        if (r < 0)
            return r;
    }
    evidence->entry.bare = n == 0;
    return -errno;
}

static int read_dir(int dir, const char *name, const struct stat *st, Evidence *evidence)
{
    int fd = fd_open_quietly(dir, name, O_DIRECTORY | O_NOFOLLOW);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        int r = -errno;
        fd_close(fd);
        return r;
    }
    int r = read_members(stream, evidence);
    if (r == 0 && !is_unchanged(dirfd(stream), st))
        r = -EAGAIN;
    closedir(stream);
    return r;
}

int evidence_read(Engine *engine, Node *dir, const char *name, const struct stat *st, Evidence *out)
{
    Evidence evidence = {.entry = {.uid = st->st_uid}};
    struct stat seen = *st;
    creds_as_daemon(engine->store.creds);
    int fd = reach_dir(&engine->store, dir), r = 0;
    if (fd < 0)
        return fd;
    note_times(&evidence, fd, name, st);
    if (S_ISDIR(st->st_mode))
        r = read_dir(fd, name, st, &evidence);
    else if (S_ISLNK(st->st_mode))
        evidence.recorded = read_link(fd, name, &evidence.record);
    else if (S_ISREG(st->st_mode)) {
        r = read_file(fd, name, &seen, &evidence.record, &evidence.recorded) ? 0 : -EAGAIN;
        evidence.file = (OpenFileId){st->st_dev, st->st_ino};
    }
    if (r == 0)
        *out = evidence;
    return r;
}

static bool says_the_same(const Evidence *one, const Evidence *other)
{
    return one->entry.changed_ns == other->entry.changed_ns && one->recorded == other->recorded &&
           one->file.ino == other->file.ino && one->record.pid == other->record.pid &&
           one->record.start == other->record.start &&
           strcmp(one->record.host, other->record.host) == 0;
}

bool evidence_is_settled(Engine *engine, Node *dir, const char *name, const struct stat *st,
                         const Evidence *evidence)
{
    Evidence again;
    if (evidence->file.ino && open_files_for_writing(engine->proc, &evidence->file, 1) != 0)
        return false;
    return evidence_read(engine, dir, name, st, &again) == 0 && says_the_same(evidence, &again);
}

bool evidence_in_use(Engine *engine, const Node *node)
{
    if (node->handles)
        return true;
    AUTO_FD int fd = openat(proc_dirfd(engine->proc), "locks", O_RDONLY | O_CLOEXEC);
    g_autofree char *text = g_malloc(LOCKS_TEXT);
    ssize_t len = fd < 0 ? -errno : fd_read_all(fd, text, LOCKS_TEXT);
    return len < 0 || proc_text_locks_name(text, (size_t)len, node->ino);
}
