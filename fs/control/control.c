#include "control/handle.h"

#include "engine/life.h"
#include "wire/json-out.h"
#include "wire/names.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LARGE_TEXT (4 << 20)

static const char *const file_names[VIRTUAL_NODE_END] = {
    [VIRTUAL_NODE_DIR] = NAMES_DIR,           [VIRTUAL_NODE_LOCKS] = NAMES_LOCKS,
    [VIRTUAL_NODE_EVENTS] = NAMES_EVENTS,     [VIRTUAL_NODE_HEALED] = NAMES_HEALED,
    [VIRTUAL_NODE_STATS] = NAMES_STATS,       [VIRTUAL_NODE_METRICS] = NAMES_METRICS,
    [VIRTUAL_NODE_OBSERVED] = NAMES_OBSERVED, [VIRTUAL_NODE_CONTROL] = NAMES_CONTROL,
};

static ControlHandle *add_handle(Control *control, uint32_t slot)
{
    ControlHandle *handle = g_new0(ControlHandle, 1);
    const ControlRecord *record = slot_peek(&control->engine->above, slot);
    handle->fh = slot_id(&control->engine->above, slot);
    handle->slot = slot;
    handle->dir = record->dir;
    handle->kind = (VirtualNodeKind)record->kind;
    handle->viewer = record->viewer;
    handle->viewer.proc = control->engine->proc;
    handle->text = g_string_new(NULL);
    pthread_mutex_lock(&control->lock);
    g_hash_table_insert(control->handles, &handle->fh, handle);
    pthread_mutex_unlock(&control->lock);
    return handle;
}

static void take_up(Control *control, uint32_t slot)
{
    const ControlRecord *record = slot_look(&control->engine->above, slot);
    if (!record)
        return;
    if (!record->opened) { /* nobody was told: the open is asked again */
        slot_release(&control->engine->above, slot);
        return;
    }
    ControlHandle *handle = add_handle(control, slot);
    handle->forgotten = true;
    if (handle->kind == VIRTUAL_NODE_EVENTS)
        events_take_up(control, handle);
}

Control *control_new(Engine *engine, const ControlUpgrade *upgrade, ControlWake wake, void *ctx)
{
    Control *control = g_new0(Control, 1);
    control->engine = engine;
    control->upgrade = upgrade;
    control->wake = wake;
    control->wake_ctx = ctx;
    control->sequence = &slot_extent(&engine->above)->counter;
    control->handles = g_hash_table_new(g_int64_hash, g_int64_equal);
    pthread_mutex_init(&control->lock, NULL);
    for (uint32_t slot = 1; slot <= engine->above.used; slot++)
        take_up(control, slot);
    return control;
}

/* --- names and attributes --- */

bool control_is_entry(const char *name)
{
    return name[0] == '.' && name[1] == 'l' && strcmp(name, NAMES_DIR) == 0;
}

static mode_t mode_of(VirtualNodeKind kind, mode_t dir)
{
    mode_t read = dir & 0444;
    if (kind == VIRTUAL_NODE_DIR)
        return S_IFDIR | (dir & 0555);
    return S_IFREG | read | (kind == VIRTUAL_NODE_CONTROL ? read >> 1 : 0);
}

static int fill_entry(Control *control, uint64_t id, Entry *entry)
{
    Entry dir = {0};
    int r = engine_getattr(control->engine, NULL, virtual_node_dir(id), 0, &dir);
    if (r < 0)
        return r;
    if (!S_ISDIR(dir.attr.st_mode))
        return -ENOTDIR;
    VirtualNodeKind kind = virtual_node_kind(id);
    *entry = (Entry){.node_id = id};
    entry->attr = (struct stat){
        .st_ino = id,
        .st_mode = mode_of(kind, dir.attr.st_mode),
        .st_nlink = kind == VIRTUAL_NODE_DIR ? 2 : 1,
        .st_uid = dir.attr.st_uid,
        .st_gid = dir.attr.st_gid,
        .st_blksize = 4096,
        .st_atim = dir.attr.st_atim,
        .st_mtim = dir.attr.st_mtim,
        .st_ctim = dir.attr.st_ctim,
    };
    return 0;
}

static VirtualNodeKind kind_named(const char *name)
{
    for (int kind = VIRTUAL_NODE_LOCKS; kind < VIRTUAL_NODE_END; kind++)
        if (strcmp(file_names[kind], name) == 0)
            return (VirtualNodeKind)kind;
    return VIRTUAL_NODE_END;
}

int control_lookup(Control *control, uint64_t parent, const char *name, Entry *entry)
{
    VirtualNodeKind kind = VIRTUAL_NODE_DIR;
    if (virtual_node_is(parent)) {
        if (virtual_node_kind(parent) != VIRTUAL_NODE_DIR)
            return -ENOTDIR;
        kind = kind_named(name);
    }
    if (kind == VIRTUAL_NODE_END) {
        *entry = (Entry){0};
        return 0;
    }
    uint64_t dir = virtual_node_is(parent) ? virtual_node_dir(parent) : parent;
    return fill_entry(control, virtual_node_id(kind, dir), entry);
}

int control_getattr(Control *control, uint64_t id, Entry *entry)
{
    return fill_entry(control, id, entry);
}

bool control_list(uint64_t dir, unsigned n, uint64_t *id, const char **name, bool *is_dir)
{
    if (n < 2) {
        *id = dir;
        *name = n == 0 ? "." : "..";
        *is_dir = true;
        return true;
    }
    unsigned kind = VIRTUAL_NODE_LOCKS + n - 2;
    if (kind >= VIRTUAL_NODE_END)
        return false;
    *id = virtual_node_id((VirtualNodeKind)kind, virtual_node_dir(dir));
    *name = file_names[kind];
    *is_dir = false;
    return true;
}

int control_access(Control *control, const Caller *caller, uint64_t id, int mask)
{
    VirtualNodeKind kind = virtual_node_kind(id);
    int below = mask & (R_OK | X_OK);
    if ((mask & W_OK) && kind != VIRTUAL_NODE_CONTROL)
        return -EACCES;
    if ((mask & X_OK) && kind != VIRTUAL_NODE_DIR)
        return -EACCES;
    if (mask & W_OK)
        below |= R_OK;
    return engine_access(control->engine, caller, virtual_node_dir(id), below);
}

/* --- handles --- */

/* The lock must be held, unless this is the serving thread, which alone adds and removes. What the
 * pool has filled in is seen from here on. */
ControlHandle *control_find_handle(Control *control, uint64_t fh)
{
    ControlHandle *handle = g_hash_table_lookup(control->handles, &fh);
    if (handle)
        (void)__atomic_load_n(&control_record_peek(control, handle)->opened, __ATOMIC_ACQUIRE);
    return handle;
}

static int mask_of(int flags)
{
    switch (flags & O_ACCMODE) {
    case O_RDONLY:
        return R_OK;
    case O_WRONLY:
        return W_OK;
    default:
        return R_OK | W_OK;
    }
}

static ControlHandle *open_handle(Control *control, const Caller *caller, uint64_t id)
{
    SlotArray *records = &control->engine->above;
    engine_lock(control->engine);
    uint32_t slot = slot_reserve(records);
    if (slot) {
        ControlRecord *record = slot_at(records, slot);
        record->dir = virtual_node_dir(id);
        record->kind = (uint8_t)virtual_node_kind(id);
        creds_as_daemon(&control->engine->serving_creds);
        record->viewer = viewer_of(control->engine->proc, caller);
        slot_publish(records, slot);
    }
    engine_unlock(control->engine);
    return slot ? add_handle(control, slot) : NULL;
}

int control_open(Control *control, const Caller *caller, uint64_t id, int flags, uint64_t *fh,
                 bool *slow)
{
    int r = control_access(control, caller, id, mask_of(flags));
    if (r < 0)
        return r;
    ControlHandle *handle = open_handle(control, caller, id);
    if (!handle)
        return -ENFILE;
    if (handle->kind == VIRTUAL_NODE_EVENTS)
        events_join(control, handle);
    *slow = handle->kind == VIRTUAL_NODE_LOCKS || handle->kind == VIRTUAL_NODE_HEALED ||
            handle->kind == VIRTUAL_NODE_METRICS || handle->kind == VIRTUAL_NODE_OBSERVED;
    if (!*slow)
        control_fill(control, handle->fh);
    *fh = handle->fh;
    return 0;
}

void control_fill(Control *control, uint64_t fh)
{
    pthread_mutex_lock(&control->lock);
    ControlHandle *handle = control_find_handle(control, fh);
    pthread_mutex_unlock(&control->lock);
    switch (handle->kind) {
    case VIRTUAL_NODE_LOCKS:
        text_locks(control, handle);
        break;
    case VIRTUAL_NODE_HEALED:
        text_healed(control, handle);
        break;
    case VIRTUAL_NODE_STATS:
        figures_stats(control, handle);
        break;
    case VIRTUAL_NODE_METRICS:
        figures_metrics(control, handle);
        break;
    case VIRTUAL_NODE_OBSERVED:
        text_observed(control, handle);
        break;
    default:
        break;
    }
    handle->forgotten = false;
    ControlRecord *record = control_record_peek(control, handle);
    __atomic_store_n(&record->length, handle->text->len, __ATOMIC_RELEASE);
    __atomic_store_n(&record->opened, true, __ATOMIC_RELEASE);
}

static void *free_text(void *text)
{
    g_string_free(text, TRUE);
    return NULL;
}

/* To give hundreds of megabytes back takes the kernel a while, and this is the serving thread. */
static void drop_text(GString *text)
{
    GThread *thread =
        text->allocated_len >= LARGE_TEXT ? g_thread_try_new("drop", free_text, text, NULL) : NULL;
    if (thread)
        g_thread_unref(thread);
    else
        g_string_free(text, TRUE);
}

void control_close(Control *control, uint64_t fh)
{
    ControlHandle *handle = control_find_handle(control, fh);
    if (!handle)
        return;
    if (handle->kind == VIRTUAL_NODE_EVENTS)
        events_leave(control, handle);
    pthread_mutex_lock(&control->lock);
    g_hash_table_remove(control->handles, &handle->fh);
    pthread_mutex_unlock(&control->lock);
    engine_lock(control->engine);
    slot_release(&control->engine->above, handle->slot);
    engine_unlock(control->engine);
    drop_text(handle->text);
    g_free(handle);
}

void control_free(Control *control)
{
    g_autoptr(GList) all = g_hash_table_get_values(control->handles);
    for (const GList *link = all; link; link = link->next)
        control_close(control, ((ControlHandle *)link->data)->fh);
    g_hash_table_unref(control->handles);
    pthread_mutex_destroy(&control->lock);
    g_free(control);
}

bool control_is_forgotten(const Control *control, uint64_t fh, off_t offset)
{
    const ControlHandle *handle = g_hash_table_lookup(control->handles, &fh);
    return handle && handle->forgotten && handle->kind != VIRTUAL_NODE_CONTROL && offset == 0;
}

/* Its end is all that is left of a text. */
static ssize_t read_forgotten(const Control *control, const ControlHandle *handle, off_t offset)
{
    const ControlRecord *record = control_record_peek(control, handle);
    uint64_t at = handle->kind == VIRTUAL_NODE_CONTROL ? record->read : (uint64_t)MAX(offset, 0);
    return at >= record->length ? 0 : -ESTALE;
}

ssize_t control_read(Control *control, uint64_t fh, size_t size, off_t offset, const char **data)
{
    ControlHandle *handle = control_find_handle(control, fh);
    if (!handle)
        return -ESTALE;
    if (handle->forgotten)
        return read_forgotten(control, handle, offset);
    /* What was written moved the descriptor on; the answer is read from its beginning. */
    bool answers = handle->kind == VIRTUAL_NODE_CONTROL;
    size_t at = answers ? handle->read : MIN((size_t)MAX(offset, 0), handle->text->len);
    *data = handle->text->str + at;
    size_t n = MIN(size, handle->text->len - at);
    if (answers)
        control_record(control, handle)->read = handle->read += n;
    return (ssize_t)n;
}

ssize_t control_write(Control *control, const Caller *caller, uint64_t fh, const char *data,
                      size_t size)
{
    ControlHandle *handle = control_find_handle(control, fh);
    if (!handle)
        return -ESTALE;
    if (handle->kind != VIRTUAL_NODE_CONTROL)
        return -EBADF;
    g_string_truncate(handle->text, 0);
    handle->read = 0;
    handle->forgotten = false;
    int r = steering_run(control, caller, handle, data, size);
    ControlRecord *record = control_record(control, handle);
    record->read = 0;
    record->length = handle->text->len;
    return r < 0 ? r : (ssize_t)size;
}

/* --- attributes --- */

ssize_t control_getxattr(Control *control, const Caller *caller, uint64_t node, const char *name,
                         char *value, size_t size)
{
    Snapshot snapshot;
    bool owner = strcmp(name, NAMES_XATTR_OWNER) == 0;
    if (!owner && strcmp(name, NAMES_XATTR_TOKEN) != 0)
        return -ENODATA;
    int r = snapshot_take_node(control->engine, caller, node, &snapshot);
    if (r < 0)
        return r;
    const SnapshotClaim *claim = &g_array_index(snapshot.claims, SnapshotClaim, 0);
    g_autoptr(GString) text = g_string_new(NULL);
    if (owner) {
        creds_as_daemon(&control->engine->serving_creds);
        Viewer viewer = viewer_of(control->engine->proc, caller);
        json_out_begin(text, NULL, '{');
        viewer_owner(&viewer, text, &claim->owner);
        json_out_end(text, '}');
    } else {
        g_string_printf(text, "%" G_GUINT64_FORMAT, (guint64)claim->token);
    }
    snapshot_done(&snapshot);
    if (size && size < text->len)
        return -ERANGE;
    if (size)
        memcpy(value, text->str, text->len);
    return (ssize_t)text->len;
}
