#include "control/handle.h"

#include "engine/notice.h"
#include "wire/json-out.h"

#include <errno.h>
#include <string.h>

/* What a reader may leave unread; after that it loses events and is told how many. */
#define LINES_MAX 4096

static const char *const event_names[] = {
    [NOTICE_ACQUIRED] = "acquired",     [NOTICE_CONTENDED] = "contended",
    [NOTICE_REFUSED] = "refused",       [NOTICE_RELEASED] = "released",
    [NOTICE_PUBLISHED] = "published",   [NOTICE_MOVED] = "moved",
    [NOTICE_INHERITED] = "inherited",   [NOTICE_TRANSFERRED] = "transferred",
    [NOTICE_BROKEN] = "broken",         [NOTICE_HEALED] = "healed",
    [NOTICE_UNPACKED] = "unpacked",     [NOTICE_WOULD_HEAL] = "would_heal",
    [NOTICE_TAKEN_OVER] = "taken_over",
};

static void add_process(const Viewer *viewer, GString *out, const char *key, pid_t pid,
                        const char *comm, uid_t uid)
{
    json_out_begin(out, key, '{');
    viewer_process(viewer, out, pid, comm, uid);
    json_out_uint(out, "uid", uid);
    json_out_end(out, '}');
}

static void add_particulars(const Viewer *viewer, GString *out, const Notice *notice)
{
    if (notice->waiter)
        add_process(viewer, out, "waiter", notice->waiter->pid, notice->waiter->comm,
                    notice->waiter->uid);
    if (notice->by_tid)
        add_process(viewer, out, "by", notice->by_tid, NULL, notice->by_uid);
    if (notice->old_token)
        json_out_uint(out, "old_token", notice->old_token);
    if (notice->heal) {
        json_out_string(out, "reason", heals_cause_name((HealCause)notice->heal->cause));
        if (notice->heal->cause == HEAL_SIGNALLED)
            json_out_int(out, "signal", notice->heal->code);
        if (notice->heal->cause == HEAL_EXITED)
            json_out_int(out, "exit_code", notice->heal->code);
        json_out_bool(out, "kept", heals_is_kept(notice->heal));
    }
}

static void add_claim(const Viewer *viewer, GString *out, const Notice *notice,
                      const SnapshotClaim *claim)
{
    json_out_bytes(out, "path", claim->path);
    json_out_string(out, "kind", viewer_kind(claim->kind));
    json_out_uint(out, "token", claim->token);
    add_process(viewer, out, "owner", claim->owner.pid, claim->owner.comm, claim->owner.uid);
    add_particulars(viewer, out, notice);
}

static void add_takeover(GString *out, const Takeover *takeover)
{
    json_out_string(out, "reason", viewer_takeover(takeover->cause));
    if (takeover->signal)
        json_out_int(out, "signal", takeover->signal);
    json_out_int(out, "duration_us", takeover->duration_ns / 1000);
    json_out_uint(out, "claims", takeover->claims);
}

/* claim: of the notice, if it is about one. */
static char *render(const Viewer *viewer, const Notice *notice, const SnapshotClaim *claim,
                    uint64_t sequence)
{
    GString *out = g_string_new(NULL);
    json_out_begin(out, NULL, '{');
    json_out_string(out, "event", event_names[notice->kind]);
    json_out_uint(out, "seq", sequence);
    json_out_time(out, "at", notice->at_ns);
    if (notice->takeover)
        add_takeover(out, notice->takeover);
    else
        add_claim(viewer, out, notice, claim);
    json_out_end(out, '}');
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}

static bool has_data(const ControlHandle *handle)
{
    return handle->lines.length || handle->lost;
}

static void push(ControlHandle *handle, uint64_t counts, char *text)
{
    EventLine *line = g_new(EventLine, 1);
    *line = (EventLine){counts, text};
    g_queue_push_tail(&handle->lines, line);
}

static void line_free(gpointer data)
{
    EventLine *line = data;
    g_free(line->text);
    g_free(line);
}

/* What was lost stands where it would have stood. */
static void tell_lost(ControlHandle *handle)
{
    GString *out = g_string_new(handle->torn ? "\n" : NULL);
    json_out_begin(out, NULL, '{');
    json_out_string(out, "event", "lost");
    json_out_uint(out, "count", handle->lost);
    json_out_end(out, '}');
    g_string_append_c(out, '\n');
    push(handle, handle->lost, g_string_free(out, FALSE));
    handle->lost = 0;
    handle->torn = false;
}

/* Whole lines, as many as fit; a line that does not fit at all goes in parts. *counts: how many
 * events were read to their end. Lock held. */
static size_t take(ControlHandle *handle, char *data, size_t size, uint64_t *counts)
{
    size_t used = 0;
    *counts = 0;
    if (handle->lost && handle->lines.length == 0)
        tell_lost(handle);
    while (used < size && handle->lines.length) {
        EventLine *line = g_queue_peek_head(&handle->lines);
        size_t left = strlen(line->text) - handle->read_of_head;
        size_t n = MIN(left, size - used);
        if (n < left && used)
            break;
        memcpy(data + used, line->text + handle->read_of_head, n);
        used += n;
        handle->read_of_head += n;
        if (n < left)
            break;
        *counts += line->counts;
        line_free(g_queue_pop_head(&handle->lines));
        handle->read_of_head = 0;
        if (handle->lost && handle->lines.length == 0)
            tell_lost(handle);
    }
    return used;
}

/* Told to the next worker when the reader has it: who dies between has it told as lost. */
static void note_taken(ControlRecord *record, const ControlHandle *handle, uint64_t counts)
{
    record->torn = handle->read_of_head > 0;
    __atomic_store_n(&record->taken, record->taken + counts, __ATOMIC_RELEASE);
}

/* Lock held, outside of an operation. */
static void serve_pending(Control *control, ControlHandle *handle)
{
    while (handle->pending.length && has_data(handle)) {
        uint64_t counts;
        HandlePending *pending = g_queue_pop_head(&handle->pending);
        g_autofree char *data = g_malloc(pending->size);
        size_t n = take(handle, data, pending->size, &counts);
        pending->answer(pending->request, data, (ssize_t)n);
        note_taken(control_record_peek(control, handle), handle, counts);
        g_free(pending);
    }
    if (handle->poll_handle && has_data(handle)) {
        control->wake(control->wake_ctx, handle->poll_handle);
        handle->poll_handle = 0;
        __atomic_store_n(&control_record_peek(control, handle)->poll_handle, 0, __ATOMIC_RELEASE);
    }
}

static void offer(Control *control, ControlHandle *handle, const Notice *notice)
{
    const Node *dir = node_by_id(&control->engine->store, handle->dir);
    SnapshotClaim claim;
    g_autofree char *path = NULL;
    if (!notice->takeover &&
        (!dir || !snapshot_claim(control->engine, dir, notice->claim, &claim, &path)))
        return;
    control_record(control, handle)->offered++;
    if (handle->lines.length >= LINES_MAX)
        handle->lost++;
    else
        push(handle, 1, render(&handle->viewer, notice, &claim, *control->sequence));
}

/* Readers are answered when the operation stands, so none hears of what is then undone. */
static void on_notice(void *ctx, const Notice *notice)
{
    Control *control = ctx;
    GHashTableIter iter;
    gpointer value;
    pthread_mutex_lock(&control->lock);
    *control->sequence += notice != NULL;
    g_hash_table_iter_init(&iter, control->handles);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        ControlHandle *handle = value;
        if (handle->kind != VIRTUAL_NODE_EVENTS)
            continue;
        if (notice)
            offer(control, handle, notice);
        else
            serve_pending(control, handle);
    }
    pthread_mutex_unlock(&control->lock);
}

void events_join(Control *control, ControlHandle *handle)
{
    g_queue_init(&handle->lines);
    g_queue_init(&handle->pending);
    if (control->listeners++ == 0)
        notice_listen(control->engine, on_notice, control);
}

void events_take_up(Control *control, ControlHandle *handle)
{
    const ControlRecord *record = control_record_peek(control, handle);
    events_join(control, handle);
    handle->torn = record->torn;
    handle->lost = record->offered - record->taken;
    handle->poll_handle = record->poll_handle;
    if (handle->lost)
        tell_lost(handle);
}

void events_leave(Control *control, ControlHandle *handle)
{
    if (--control->listeners == 0)
        notice_listen(control->engine, NULL, NULL);
    pthread_mutex_lock(&control->lock);
    HandlePending *pending;
    while ((pending = g_queue_pop_head(&handle->pending))) {
        pending->answer(pending->request, NULL, -ENODEV);
        g_free(pending);
    }
    g_queue_clear_full(&handle->lines, line_free);
    handle->kind = VIRTUAL_NODE_END;
    pthread_mutex_unlock(&control->lock);
}

static ssize_t take_or_wait(Control *control, ControlHandle *handle, char *data, size_t size)
{
    uint64_t counts;
    if (!has_data(handle))
        return -EAGAIN;
    size_t n = take(handle, data, size, &counts);
    note_taken(control_record(control, handle), handle, counts);
    return (ssize_t)n;
}

ssize_t control_events_read(Control *control, uint64_t fh, char *data, size_t size)
{
    pthread_mutex_lock(&control->lock);
    ControlHandle *handle = control_find_handle(control, fh);
    ssize_t n = handle ? take_or_wait(control, handle, data, size) : -ESTALE;
    pthread_mutex_unlock(&control->lock);
    return n;
}

bool control_events_wait(Control *control, uint64_t fh, size_t size, ControlAnswer answer,
                         void *request, char *data, ssize_t *n)
{
    pthread_mutex_lock(&control->lock);
    ControlHandle *handle = control_find_handle(control, fh);
    *n = handle ? take_or_wait(control, handle, data, size) : -ESTALE;
    bool waits = *n == -EAGAIN;
    if (waits) {
        HandlePending *pending = g_new(HandlePending, 1);
        *pending = (HandlePending){answer, request, size};
        g_queue_push_tail(&handle->pending, pending);
    }
    pthread_mutex_unlock(&control->lock);
    return waits;
}

static bool cancel_of(ControlHandle *handle, const void *request)
{
    for (GList *link = handle->pending.head; link; link = link->next) {
        HandlePending *pending = link->data;
        if (pending->request != request)
            continue;
        g_queue_delete_link(&handle->pending, link);
        g_free(pending);
        return true;
    }
    return false;
}

bool control_events_cancel(Control *control, const void *request)
{
    GHashTableIter iter;
    gpointer value;
    bool found = false;
    pthread_mutex_lock(&control->lock);
    g_hash_table_iter_init(&iter, control->handles);
    while (!found && g_hash_table_iter_next(&iter, NULL, &value))
        found = cancel_of(value, request);
    pthread_mutex_unlock(&control->lock);
    return found;
}

bool control_events_poll(Control *control, uint64_t fh, uint64_t poll_handle)
{
    pthread_mutex_lock(&control->lock);
    ControlHandle *handle = control_find_handle(control, fh);
    bool ready = !handle || has_data(handle);
    if (!ready && poll_handle) {
        handle->poll_handle = poll_handle;
        control_record(control, handle)->poll_handle = poll_handle;
    }
    pthread_mutex_unlock(&control->lock);
    return ready;
}
