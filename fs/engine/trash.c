#include "engine/trash.h"

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/fd.h"
#include "base/tree.h"
#include "engine/life.h"
#include "engine/reaper.h"
#include "engine/reserved.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEALED_DIR "healed"
#define LAST_SECOND (INT64_MAX / CLOCK_NS_PER_S / 2) /* leaves room for retain */
#define KEEP_NAME 180 /* bytes of the old name that fit beside time and token */

typedef struct {
    int64_t expires; /* ns since the epoch */
    int64_t bytes;   /* -1: not measured yet */
    bool crowded_out;
    uint64_t token;
    uint32_t dir; /* node, pinned */
    char *name;
} Kept;

struct Trash {
    GQueue kept;   /* of Kept, soonest first */
    int64_t bytes; /* of those that were measured */
    uint32_t dir;  /* .lockfs/healed, pinned; 0 until needed */
};

Trash *trash_new(void)
{
    Trash *trash = g_new0(Trash, 1);
    g_queue_init(&trash->kept);
    return trash;
}

static Node *healed_dir(const Engine *engine)
{
    return node_at(&engine->store, engine->trash->dir);
}

static void kept_free(Engine *engine, Kept *kept)
{
    node_unpin(&engine->store, node_at(&engine->store, kept->dir));
    engine->trash->bytes -= MAX(kept->bytes, 0);
    g_free(kept->name);
    g_free(kept);
}

/* The directory `name` in `dir`, made if asked for; pinned by nobody yet. */
static int own_dir(Engine *engine, Node *dir, const char *name, bool make, Node **out)
{
    Caller self = creds_daemon(engine->store.creds);
    struct stat st;
    int r = source_stat_at(&engine->store, dir, name, &st);
    if (r == -ENOENT && make) {
        r = source_mkdir(&engine->store, &self, dir, name, 0700);
        if (r == 0)
            r = source_stat_at(&engine->store, dir, name, &st);
    }
    if (r < 0)
        return r;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    *out = node_intern(&engine->store, dir, name, &st);
    return *out ? 0 : -ENOMEM;
}

static int trash_dir(Engine *engine, bool make)
{
    if (engine->trash->dir)
        return 0;
    Node *top, *healed;
    int r = own_dir(engine, node_root(&engine->store), RESERVED_DIR, make, &top);
    if (r < 0)
        return r;
    r = own_dir(engine, top, HEALED_DIR, make, &healed);
    if (r < 0) {
        node_settle(&engine->store, top);
        return r;
    }
    node_pin(healed);
    engine->trash->dir = node_index(&engine->store, healed);
    return 0;
}

static int rename_to(Engine *engine, Node *dir, const char *name, Node *to, const char *new_name)
{
    Caller self = creds_daemon(engine->store.creds);
    return source_rename(&engine->store, &self, dir, name, to, new_name, RENAME_NOREPLACE);
}

static void keep(Engine *engine, Node *dir, const char *name, uint64_t token, int64_t expires)
{
    Kept *kept = g_new0(Kept, 1);
    kept->expires = expires;
    kept->bytes = -1;
    kept->token = token;
    kept->dir = node_index(&engine->store, dir);
    kept->name = g_strdup(name);
    node_pin(dir);
    g_queue_push_tail(&engine->trash->kept, kept);
    reaper_wake(engine);
}

int trash_take(Engine *engine, Node *dir, const char *name, Node *node, uint64_t token)
{
    int64_t now = clock_real_ns();
    char kept_name[256], beside[256];
    snprintf(kept_name, sizeof kept_name, "%lld-%llu-%.*s", (long long)(now / CLOCK_NS_PER_S),
             (unsigned long long)token, KEEP_NAME, name);
    snprintf(beside, sizeof beside, RESERVED_PREFIX "%.235s", kept_name);

    const char *new_name = kept_name;
    Node *to = NULL;
    int r = trash_dir(engine, true);
    if (r == 0) {
        to = healed_dir(engine);
        r = rename_to(engine, dir, name, to, new_name);
    }
    if (r < 0) {
        new_name = beside;
        to = dir;
        r = rename_to(engine, dir, name, to, new_name);
    }
    if (r < 0)
        return r;
    CRASH_POINT("healed-moved");
    life_carry(engine, node->claims_below, dir, to);
    node_move(&engine->store, node, to, new_name);
    node_sever(&engine->store, node);
    keep(engine, to, new_name, token, now + engine->options.retain_ns);
    return 0;
}

/* TIME-TOKEN-NAME: the time in seconds, or -1. */
static int64_t healed_at(const char *name)
{
    char *end;
    int64_t seconds = strtoll(name, &end, 10);
    return end != name && *end == '-' && seconds <= LAST_SECOND ? seconds : -1;
}

static gint by_expiry(gconstpointer a, gconstpointer b, gpointer user)
{
    const Kept *one = a, *other = b;
    return one->expires < other->expires ? -1 : one->expires > other->expires;
}

static uint64_t token_in(const char *name)
{
    const char *dash = strchr(name, '-');
    return dash ? strtoull(dash + 1, NULL, 10) : 0;
}

void trash_adopt(Engine *engine)
{
    if (trash_dir(engine, false) < 0)
        return;
    int fd = reach_dir(&engine->store, healed_dir(engine));
    int copy = fd < 0 ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    if (!stream) {
        fd_close(copy);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(stream))) {
        int64_t seconds = healed_at(entry->d_name);
        if (seconds >= 0)
            keep(engine, healed_dir(engine), entry->d_name, token_in(entry->d_name),
                 seconds * CLOCK_NS_PER_S + engine->options.retain_ns);
    }
    closedir(stream);
    g_queue_sort(&engine->trash->kept, by_expiry, NULL);
}

static GList *find_kept(const Engine *engine, uint64_t token)
{
    GList *link = engine->trash->kept.head;
    while (link && ((const Kept *)link->data)->token != token)
        link = link->next;
    return link;
}

static TrashItem item_of(const Kept *kept)
{
    return (TrashItem){kept->token, kept->expires, kept->bytes, kept->name};
}

bool trash_find(const Engine *engine, uint64_t token, TrashItem *item)
{
    const GList *link = find_kept(engine, token);
    if (link && item)
        *item = item_of(link->data);
    return link != NULL;
}

int trash_restore(Engine *engine, uint64_t token, Node *dir, const char *name)
{
    GList *link = find_kept(engine, token);
    if (!link)
        return -ENOENT;
    Kept *kept = link->data;
    int r = rename_to(engine, node_at(&engine->store, kept->dir), kept->name, dir, name);
    if (r == 0) {
        g_queue_delete_link(&engine->trash->kept, link);
        kept_free(engine, kept);
    }
    return r;
}

void trash_each(const Engine *engine, TrashFunc each, void *user)
{
    for (const GList *link = engine->trash->kept.head; link; link = link->next) {
        TrashItem item = item_of(link->data);
        each(user, &item);
    }
}

int64_t trash_next_expiry(const Engine *engine)
{
    const Kept *first = g_queue_peek_head(&engine->trash->kept);
    return first ? first->expires : INT64_MAX;
}

/* A descriptor of the directory that an entry is in, to work with without the lock; -1: none. */
static int dir_of(Engine *engine, const Kept *kept)
{
    int fd = reach_dir(&engine->store, node_at(&engine->store, kept->dir));
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void say_crowded_out(const Engine *engine, const Kept *kept)
{
    log_warning("the healed entry '%s' (%lld bytes) is deleted before its time: what is kept takes "
                "more than retain_max, %lld bytes; mount with a larger retain_max=",
                kept->name, (long long)kept->bytes, (long long)engine->options.retain_max);
}

/* Lock held. The oldest go first, and what was healed last stays. */
static void crowd_out(Engine *engine)
{
    const Trash *trash = engine->trash;
    int64_t over = trash->bytes - engine->options.retain_max;
    const GList *last = trash->kept.tail;
    for (GList *link = trash->kept.head; link != last && over > 0; link = link->next) {
        Kept *kept = link->data;
        over -= MAX(kept->bytes, 0);
        if (kept->crowded_out || kept->bytes < 0)
            continue;
        kept->crowded_out = true;
        kept->expires = 0;
        say_crowded_out(engine, kept);
    }
    if (over > 0 && last && ((const Kept *)last->data)->bytes > engine->options.retain_max)
        log_warning(
            "the healed entry '%s' takes more than retain_max by itself (%lld bytes); it is "
            "kept for its time all the same",
            ((const Kept *)last->data)->name, (long long)((const Kept *)last->data)->bytes);
}

static gint is_unmeasured(gconstpointer kept, gconstpointer unused)
{
    return ((const Kept *)kept)->bytes < 0 ? 0 : 1;
}

/* *name is set to the next that was not measured; NULL: there is none. */
static int next_unmeasured(Engine *engine, uint64_t *token, char **name)
{
    const GList *link = g_queue_find_custom(&engine->trash->kept, NULL, is_unmeasured);
    const Kept *kept = link ? link->data : NULL;
    if (!kept)
        return -1;
    *token = kept->token;
    *name = g_strdup(kept->name);
    return dir_of(engine, kept);
}

static void note_bytes(Engine *engine, uint64_t token, int64_t bytes)
{
    const GList *link = find_kept(engine, token);
    Kept *kept = link ? link->data : NULL;
    if (!kept || kept->bytes >= 0)
        return;
    kept->bytes = bytes;
    engine->trash->bytes += bytes;
    crowd_out(engine);
}

void trash_measure(Engine *engine)
{
    for (;;) {
        g_autofree char *name = NULL;
        uint64_t token;
        reaper_lock(engine);
        AUTO_FD int fd = next_unmeasured(engine, &token, &name);
        reaper_unlock(engine);
        if (!name)
            return;
        int64_t bytes = fd < 0 ? 0 : tree_bytes(fd, name);
        reaper_lock(engine);
        note_bytes(engine, token, bytes);
        reaper_unlock(engine);
    }
}

/* -1: nothing has expired. -2: what has cannot be reached. */
static int pop_expired(Engine *engine, int64_t now, char **name)
{
    Kept *kept = g_queue_peek_head(&engine->trash->kept);
    if (!kept || kept->expires > now)
        return -1;
    g_queue_pop_head(&engine->trash->kept);
    int fd = dir_of(engine, kept);
    *name = g_strdup(fd < 0 ? "" : kept->name);
    kept_free(engine, kept);
    return fd < 0 ? -2 : fd;
}

void trash_expire(Engine *engine, int64_t now)
{
    for (;;) {
        g_autofree char *name = NULL;
        reaper_lock(engine);
        AUTO_FD int fd = pop_expired(engine, now, &name);
        reaper_unlock(engine);
        if (fd == -1)
            return;
        int r = fd < 0 ? -ESTALE : tree_remove(fd, name);
        if (r < 0)
            log_warning("cannot delete the healed entry '%s' from the source: %s", name,
                        g_strerror(-r));
    }
}

void trash_free(Engine *engine)
{
    Trash *trash = engine->trash;
    Kept *kept;
    while ((kept = g_queue_pop_head(&trash->kept)))
        kept_free(engine, kept);
    if (trash->dir) {
        Caller self = creds_daemon(engine->store.creds);
        Node *top = node_parent(&engine->store, healed_dir(engine));
        if (source_remove(&engine->store, &self, top, HEALED_DIR, true) == 0)
            source_remove(&engine->store, &self, node_root(&engine->store), RESERVED_DIR, true);
        node_unpin(&engine->store, healed_dir(engine));
    }
    g_free(trash);
    engine->trash = NULL;
}
