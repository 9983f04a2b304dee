#include "engine/trash.h"

#include "base/clock.h"
#include "base/crash-point.h"
#include "base/fd.h"
#include "base/tree.h"
#include "engine/heals.h"
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

struct Trash {
    uint32_t dir; /* .lockfs/healed, pinned; 0 until needed */
};

Trash *trash_new(void)
{
    return g_new0(Trash, 1);
}

static Node *healed_dir(const Engine *engine)
{
    return node_at(&engine->store, engine->trash->dir);
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

int trash_take(Engine *engine, Node *dir, const char *name, Node *node, uint64_t token,
               TrashPlace *place)
{
    int64_t now = journal_moment(&engine->journal);
    char *kept_name = place->name, beside[256];
    snprintf(kept_name, sizeof place->name, "%lld-%llu-%.*s", (long long)(now / CLOCK_NS_PER_S),
             (unsigned long long)token, KEEP_NAME, name);
    snprintf(beside, sizeof beside, RESERVED_PREFIX "%.235s", kept_name);

    Node *to = NULL;
    int r = trash_dir(engine, true);
    if (r == 0) {
        to = healed_dir(engine);
        r = rename_to(engine, dir, name, to, kept_name);
    }
    if (r < 0) {
        g_strlcpy(kept_name, beside, sizeof place->name);
        to = dir;
        r = rename_to(engine, dir, name, to, kept_name);
    }
    if (r < 0)
        return r;
    CRASH_POINT("healed-moved");
    life_carry(engine, node->claims_below, dir, to);
    node_move(&engine->store, node, to, kept_name);
    node_sever(&engine->store, node);
    place->heal = (HealPlace){to, kept_name, now + engine->options.retain_ns};
    return 0;
}

/* TIME-TOKEN-NAME: the time in seconds, or -1. */
static int64_t healed_at(const char *name)
{
    char *end;
    int64_t seconds = strtoll(name, &end, 10);
    return end != name && *end == '-' && seconds <= LAST_SECOND ? seconds : -1;
}

static uint64_t token_in(const char *name)
{
    const char *dash = strchr(name, '-');
    return dash ? strtoull(dash + 1, NULL, 10) : 0;
}

/* TIME-TOKEN-NAME: no more is known of it. */
static void adopt(Engine *engine, const GHashTable *known, const char *kept_name)
{
    int64_t seconds = healed_at(kept_name);
    uint64_t token = token_in(kept_name);
    if (seconds < 0 || g_hash_table_contains((GHashTable *)known, &token))
        return;
    const char *dash = strchr(kept_name, '-'), *name = dash ? strchr(dash + 1, '-') : NULL;
    int64_t at = seconds * CLOCK_NS_PER_S;
    HealPlace place = {healed_dir(engine), kept_name, at + engine->options.retain_ns};
    heals_note_found(engine, token, at, name ? name + 1 : kept_name, &place);
}

void trash_adopt(Engine *engine)
{
    SlotExtent *records = slot_extent(&engine->heal_records);
    if (records->counter || trash_dir(engine, false) < 0)
        return;
    int fd = reach_dir(&engine->store, healed_dir(engine));
    int copy = fd < 0 ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    if (!stream) {
        fd_close(copy);
        return;
    }
    g_autoptr(GHashTable) known = heals_kept_tokens(engine);
    struct dirent *entry;
    while ((entry = readdir(stream)))
        adopt(engine, known, entry->d_name);
    closedir(stream);
    records->counter = 1; /* a worker that comes later finds the records */
}

int trash_restore(Engine *engine, uint64_t token, Node *dir, const char *name)
{
    const HealRecord *record = heals_find(engine, token);
    if (!heals_is_kept(record))
        return -ENOENT;
    int r = rename_to(engine, node_at(&engine->store, record->kept_dir),
                      names_get(&engine->names, record->kept_name), dir, name);
    CRASH_POINT("restored");
    if (r == 0)
        heals_drop_kept(engine, slot_index(&engine->heal_records, record));
    return r;
}

/* Is it to go before its time, so that there is room for others? */
static bool is_crowded_out(const Engine *engine, const HealRecord *first)
{
    return heals_bytes(engine) > engine->options.retain_max && heals_has_later_kept(engine, first);
}

int64_t trash_next_expiry(const Engine *engine)
{
    const HealRecord *first = heals_first_kept(engine);
    if (!first)
        return INT64_MAX;
    return is_crowded_out(engine, first) ? 0 : first->expires_ns;
}

static int dir_of(Engine *engine, const HealRecord *record)
{
    int fd = reach_dir(&engine->store, node_at(&engine->store, record->kept_dir));
    return fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void note_bytes(Engine *engine, uint64_t token, int64_t bytes)
{
    const HealRecord *record = heals_find(engine, token);
    if (!heals_is_kept(record) || record->bytes >= 0)
        return;
    heals_measured(engine, record, bytes);
    if (bytes > engine->options.retain_max)
        log_warning(
            "the healed entry '%s' takes more than retain_max by itself (%lld bytes); it is "
            "kept all the same until the next one is healed",
            names_get(&engine->names, record->kept_name), (long long)bytes);
}

static bool measure_next(Engine *engine)
{
    char name[256];
    reaper_lock(engine);
    const HealRecord *record = heals_first_unmeasured(engine);
    uint64_t token = record ? record->token : 0;
    AUTO_FD int fd = record ? dir_of(engine, record) : -1;
    if (record)
        g_strlcpy(name, names_get(&engine->names, record->kept_name), sizeof name);
    reaper_unlock(engine);
    if (!record)
        return false;
    int64_t bytes = fd < 0 ? 0 : tree_bytes(fd, name);
    reaper_lock(engine);
    note_bytes(engine, token, bytes);
    reaper_unlock(engine);
    return true;
}

void trash_measure(Engine *engine)
{
    while (measure_next(engine))
        ;
}

/* An expired entry, to be deleted without the lock. */
typedef struct {
    uint32_t slot; /* 0: none */
    int fd;        /* of the directory it is in */
    char name[256];
} Expired;

static void say_crowded_out(const Engine *engine, const HealRecord *record)
{
    log_warning("the healed entry '%s' (%lld bytes) is deleted before its time: what is kept takes "
                "more than retain_max, %lld bytes; mount with a larger retain_max=",
                names_get(&engine->names, record->kept_name), (long long)record->bytes,
                (long long)engine->options.retain_max);
}

static Expired take_expired(Engine *engine, int64_t now)
{
    const HealRecord *first = heals_first_kept(engine);
    if (!first || (first->expires_ns > now && !is_crowded_out(engine, first)))
        return (Expired){.fd = -1};
    if (first->expires_ns > now)
        say_crowded_out(engine, first);
    Expired expired = {.slot = heals_take_first_kept(engine)};
    expired.fd = dir_of(engine, first);
    g_strlcpy(expired.name, names_get(&engine->names, first->kept_name), sizeof expired.name);
    return expired;
}

static bool expire_next(Engine *engine, int64_t now)
{
    reaper_lock(engine);
    Expired expired = take_expired(engine, now);
    reaper_unlock(engine);
    if (!expired.slot)
        return false;
    CRASH_POINT("expiring");
    int r = expired.fd < 0 ? -ESTALE : tree_remove(expired.fd, expired.name);
    fd_close(expired.fd);
    if (r < 0)
        log_warning("cannot delete the healed entry '%s' from the source: %s", expired.name,
                    g_strerror(-r));
    reaper_lock(engine);
    heals_drop_kept(engine, expired.slot);
    reaper_unlock(engine);
    return true;
}

void trash_expire(Engine *engine, int64_t now)
{
    while (expire_next(engine, now))
        ;
}

void trash_free(Engine *engine)
{
    Trash *trash = engine->trash;
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
