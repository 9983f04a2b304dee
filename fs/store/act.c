#include "store/act.h"

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/fd.h"
#include "store/reach.h"
#include "store/reopen.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/* An operation whose records are kept; others (at start and end) are not repeated. */
static bool is_noted(const Store *store)
{
    return store->journal && journal_is_open(store->journal);
}

static bool is_place(const JournalAct *act, const Node *dir, const char *name)
{
    return act->dir_ino == dir->ino && act->dir_dev == dir->dev && strcmp(act->name, name) == 0;
}

static bool is_new_place(const JournalAct *act, const Node *dir, const char *name)
{
    return act->op == ACT_OP_RENAME && act->new_dir_ino == dir->ino &&
           act->new_dir_dev == dir->dev && strcmp(act->new_name, name) == 0;
}

static bool stat_name(Store *store, Node *dir, const char *name, struct stat *st)
{
    int fd = reach_dir(store, dir);
    return fd >= 0 && fstatat(fd, name, st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_removal(ActOp op)
{
    return op == ACT_OP_UNLINK || op == ACT_OP_RMDIR || op == ACT_OP_RENAME;
}

/* true: *result is what came of this act before the death. What is not known then is new. A rename
 * that failed may have been followed by one of the same entry to another place. */
static bool repeats(Store *store, const JournalAct *asked, int *result)
{
    if (!store->replaying)
        return false;
    const JournalAct *act = journal_act(store->journal);
    if (journal_act_is_same(act, asked)) {
        store->replaying = false; /* from here on the source is as it looks */
        *result = act->result;
        return true;
    }
    int failed = journal_failure(store->journal, asked);
    if (failed)
        *result = failed;
    else
        store->replaying = false;
    return failed != 0;
}

/* Nothing else is looked at in journal_act_next() until it is in force. */
static JournalAct *note(Store *store, ActOp op, unsigned flags, const Node *dir, const char *name)
{
    JournalAct *act = journal_act_next(store->journal);
    act->op = op;
    act->flags = flags;
    act->dir_dev = dir->dev;
    act->dir_ino = dir->ino;
    act->new_dir_dev = act->new_dir_ino = 0;
    act->new_name[0] = '\0';
    act->begun = clock_file_now();
    g_strlcpy(act->name, name, sizeof act->name);
    act->existed = act->new_existed = false;
    return act;
}

void act_note_seen(Store *store, const Node *dir, const char *name, const struct stat *st)
{
    StoreSeen *seen = &store->seen;
    if (!is_noted(store) || strlen(name) >= sizeof seen->name)
        return;
    seen->stamp = store->journal->keeper.stamp;
    seen->dir = node_index(store, dir);
    g_strlcpy(seen->name, name, sizeof seen->name);
    seen->st = *st;
}

static bool was_seen(const Store *store, const Node *dir, const char *name)
{
    const StoreSeen *seen = &store->seen;
    return seen->stamp == store->journal->keeper.stamp && seen->dir == node_index(store, dir) &&
           strcmp(seen->name, name) == 0;
}

/* What is removed. A directory that nobody looked at is a claim's, of which the records know all
 * that is needed: it counts as having been there. */
static bool note_removed(Store *store, ActOp op, Node *dir, const char *name, struct stat *st)
{
    if (was_seen(store, dir, name)) {
        *st = store->seen.st;
        return true;
    }
    if (op == ACT_OP_RMDIR && strlen(name) < sizeof store->seen.name) {
        *st = (struct stat){.st_mode = S_IFDIR};
        return true;
    }
    creds_as_daemon(store->creds);
    return stat_name(store, dir, name, st);
}

bool act_begin(Store *store, ActOp op, unsigned flags, Node *dir, const char *name, int *result)
{
    if (!is_noted(store))
        return false;
    JournalAct *act = note(store, op, flags, dir, name);
    if (repeats(store, act, result))
        return true;
    act->existed = is_removal(op) && note_removed(store, op, dir, name, &act->st);
    journal_act_begin(store->journal);
    return false;
}

bool act_begin_rename(Store *store, Node *dir, const char *name, Node *new_dir,
                      const char *new_name, unsigned flags, int *result)
{
    if (!is_noted(store))
        return false;
    JournalAct *act = note(store, ACT_OP_RENAME, flags, dir, name);
    act->new_dir_dev = new_dir->dev;
    act->new_dir_ino = new_dir->ino;
    g_strlcpy(act->new_name, new_name, sizeof act->new_name);
    if (repeats(store, act, result))
        return true;
    creds_as_daemon(store->creds);
    act->existed = stat_name(store, dir, name, &act->st);
    act->new_existed = stat_name(store, new_dir, new_name, &act->new_st);
    journal_act_begin(store->journal);
    return false;
}

bool act_begin_xattr(Store *store, Node *node, const char *name, bool exists, int *result,
                     int *flags)
{
    if (!is_noted(store))
        return false;
    const JournalAct *before = journal_act(store->journal);
    if (store->replaying && before->op == ACT_OP_XATTR) {
        store->replaying = false;
        if (before->state == ACT_STATE_DONE) {
            *result = before->result;
            return true;
        }
        if (flags && *flags == XATTR_CREATE && !before->existed)
            *flags = 0; /* it may be there now by that very act */
        *result = 0;
        return !flags && before->existed && !exists;
    }
    JournalAct *act = note(store, ACT_OP_XATTR, 0, node, name);
    act->existed = exists;
    journal_act_begin(store->journal);
    return false;
}

bool act_begin_append(Store *store, const Node *node, int fd, size_t size, int *result)
{
    if (!is_noted(store))
        return false;
    JournalAct *act = note(store, ACT_OP_APPEND, (unsigned)fd, node, "");
    if (store->replaying && store->lost) /* the descriptor has another number now */
        act->flags = journal_act(store->journal)->flags;
    if (repeats(store, act, result))
        return true;
    act->existed = fstat(fd, &act->st) == 0;
    act->new_st.st_size = (off_t)size;
    lseek(fd, 0, SEEK_SET);
    journal_act_begin(store->journal);
    return false;
}

int act_done(Store *store, int result)
{
    if (is_noted(store))
        journal_act_done(store->journal, result);
    return result;
}

static int show(bool existed, const struct stat *before, struct stat *st)
{
    if (existed)
        *st = *before;
    return existed ? 0 : -ENOENT;
}

bool act_view(Store *store, Node *dir, const char *name, struct stat *st, int *result)
{
    const JournalAct *act = journal_act(store->journal);
    if (act->op != ACT_OP_XATTR && is_place(act, dir, name))
        *result = show(act->existed, &act->st, st);
    else if (is_new_place(act, dir, name))
        *result = show(act->new_existed, &act->new_st, st);
    else
        return false;
    return true;
}

/* --- after a death --- */

static Node *node_of(Store *store, uint64_t dev, uint64_t ino)
{
    return node_by_ino(store, dev, ino);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static bool changed_since(const JournalAct *act, const struct stat *st)
{
    return st->st_ctim.tv_sec > act->begun.tv_sec ||
           (st->st_ctim.tv_sec == act->begun.tv_sec && st->st_ctim.tv_nsec >= act->begun.tv_nsec);
}

typedef struct {
    bool (*is_free)(void *ctx, int fd);
    void *ctx;
} FreeTest;

/* The descriptor of the file that stands there, opened and not yet noted: creating a file and
 * getting its descriptor is one step for whoever is killed. */
static int find_created(const struct stat *st, const FreeTest *test)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -1;
    int quiet = 0;
    for (int fd = 3; fd < (int)limit.rlim_cur && quiet < 4096; fd++, quiet++) {
        struct stat open_st;
        if (fstat(fd, &open_st) != 0)
            continue;
        quiet = 0;
        int flags = fcntl(fd, F_GETFL);
        if (flags >= 0 && !(flags & O_PATH) && is_same(&open_st, st) &&
            test->is_free(test->ctx, fd))
            return fd;
    }
    return -1;
}

/* All descriptors are gone. Without O_EXCL the call can be made once more. */
static int open_lost(Store *store, Node *dir, const JournalAct *act, const struct stat *now)
{
    bool made = act->flags & O_EXCL && (act->state == ACT_STATE_DONE || changed_since(act, now));
    return made ? reopen_created(store, dir, act->name, (int)act->flags) : -1;
}

static bool was_renamed(Store *store, const JournalAct *act, Node *dir)
{
    Node *new_dir = node_of(store, act->new_dir_dev, act->new_dir_ino);
    struct stat now;
    return act->existed && new_dir && stat_name(store, new_dir, act->new_name, &now) &&
           is_same(&now, &act->st) && !(act->new_existed && is_same(&act->new_st, &act->st)) && dir;
}

/* Nothing else moves the position of a file's descriptor from its beginning. Where it stands is the
 * end of what was written; on a full disk that may be less than was asked. */
static bool was_appended(JournalAct *act)
{
    off_t end = lseek((int)act->flags, 0, SEEK_CUR);
    if (end <= 0)
        return false;
    off_t size = act->new_st.st_size, longer = end - act->st.st_size;
    act->result = (int)(longer > 0 && longer < size ? longer : size);
    return true;
}

/* The descriptor is gone, and its position with it: the size tells, since one operation is under
 * way at a time. */
static bool has_grown(Store *store, JournalAct *act)
{
    Node *node = node_of(store, act->dir_dev, act->dir_ino);
    Place place;
    struct stat now;
    if (!act->existed || !node || reach_place(store, node, &place) < 0 ||
        fstatat(place.fd, place.name, &now, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    off_t grown = now.st_size - act->st.st_size;
    act->result = (int)MIN(grown, act->new_st.st_size);
    return grown > 0;
}

/* Looks whether the act that was begun has happened; sets act->result. */
static bool was_executed(Store *store, JournalAct *act, const FreeTest *test)
{
    Node *dir = node_of(store, act->dir_dev, act->dir_ino);
    struct stat now;
    act->result = 0;
    if (act->op == ACT_OP_XATTR)
        return true; /* decided where it is repeated */
    if (act->op == ACT_OP_APPEND)
        return store->lost ? has_grown(store, act) : was_appended(act);
    if (!dir)
        return false;
    bool exists = stat_name(store, dir, act->name, &now);
    switch ((ActOp)act->op) {
    case ACT_OP_MKDIR:
    case ACT_OP_MKNOD:
    case ACT_OP_SYMLINK:
    case ACT_OP_LINK:
        return exists && changed_since(act, &now);
    case ACT_OP_CREATE:
        act->result = !exists       ? -1
                      : store->lost ? open_lost(store, dir, act, &now)
                                    : find_created(&now, test);
        return act->result >= 0;
    case ACT_OP_UNLINK:
    case ACT_OP_RMDIR:
        return act->existed && (!exists || (act->st.st_ino && !is_same(&now, &act->st)));
    case ACT_OP_RENAME:
        return was_renamed(store, act, dir);
    case ACT_OP_XATTR:
    case ACT_OP_APPEND:
        break;
    }
    return false;
}

static void hold_one(Store *store, uint64_t dev, uint64_t ino, bool hold)
{
    Node *node = node_by_ino(store, dev, ino);
    if (node)
        node->pins += hold ? 1U : -1U; /* nobody is to be freed before the act is dealt with */
}

void act_hold(Store *store, bool hold)
{
    const JournalAct *act = journal_act(store->journal);
    if (!act)
        return;
    hold_one(store, act->dir_dev, act->dir_ino, hold);
    hold_one(store, act->new_dir_dev, act->new_dir_ino, hold);
}

/* What was moved to a free place is moved back; what replaced something stays. */
static void rename_back(Store *store, const JournalAct *act, int fd)
{
    Node *new_dir = node_of(store, act->new_dir_dev, act->new_dir_ino);
    int new_fd = new_dir && !act->new_existed ? reach_dir(store, new_dir) : -1;
    if (new_fd >= 0)
        syscall(SYS_renameat2, new_fd, act->new_name, fd, act->name, RENAME_NOREPLACE);
}

/* A plain open may have found the file. */
static bool can_be_undone(const JournalAct *act)
{
    switch ((ActOp)act->op) {
    case ACT_OP_MKDIR:
    case ACT_OP_MKNOD:
    case ACT_OP_SYMLINK:
    case ACT_OP_LINK:
    case ACT_OP_RENAME:
        return true;
    case ACT_OP_CREATE:
        return act->flags & O_EXCL;
    case ACT_OP_UNLINK:
    case ACT_OP_RMDIR:
    case ACT_OP_XATTR:
    case ACT_OP_APPEND:
        break;
    }
    return false;
}

static void undo(Store *store, const JournalAct *act)
{
    Node *dir = node_of(store, act->dir_dev, act->dir_ino);
    int fd = dir ? reach_dir(store, dir) : -1;
    if (fd < 0 || !can_be_undone(act))
        return;
    creds_as_daemon(store->creds);
    if (act->op == ACT_OP_RENAME) {
        rename_back(store, act, fd);
        return;
    }
    struct stat st;
    if (fstatat(fd, act->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && changed_since(act, &st))
        unlinkat(fd, act->name, act->op == ACT_OP_MKDIR ? AT_REMOVEDIR : 0);
}

void act_recover(Store *store, bool (*is_free)(void *ctx, int fd), void *ctx)
{
    JournalAct *act = journal_act(store->journal);
    store->replaying = false;
    if (!act)
        return;
    if (act->state == ACT_STATE_FORSAKEN)
        undo(store, act);
    bool lost =
        store->lost && act->state == ACT_STATE_DONE && act->op == ACT_OP_CREATE && act->result >= 0;
    if (act->state != ACT_STATE_BEGUN && !lost) {
        store->replaying = act->state == ACT_STATE_DONE && act->result >= 0;
        return;
    }
    store->replaying = was_executed(store, act, &(FreeTest){is_free, ctx});
    if (store->replaying && act->op != ACT_OP_XATTR)
        act->state = ACT_STATE_DONE;
}

int act_descriptor(const Store *store)
{
    const JournalAct *act = store->replaying ? journal_act(store->journal) : NULL;
    return act && act->op == ACT_OP_CREATE ? act->result : -1;
}

void act_forsake(Store *store)
{
    if (!store->replaying)
        return;
    store->replaying = false;
    JournalAct *act = journal_act(store->journal);
    __atomic_store_n(&act->state, ACT_STATE_FORSAKEN, __ATOMIC_RELEASE);
    CRASH_POINT("act-forsaken");
    undo(store, act);
    if (act->op == ACT_OP_CREATE) /* otherwise it is swept */
        fd_close(act->result);
    CRASH_POINT("act-undone");
}
