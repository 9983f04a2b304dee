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
    [NOTICE_WOULD_HEAL] = "would_heal",
};

static void add_process(GString *out, const char *key, pid_t pid, const char *comm, uid_t uid)
{
    json_out_begin(out, key, '{');
    json_out_int(out, "pid", pid);
    if (comm)
        json_out_bytes(out, "comm", comm);
    json_out_uint(out, "uid", uid);
    json_out_end(out, '}');
}

static void add_particulars(GString *out, const Notice *notice)
{
    if (notice->waiter)
        add_process(out, "waiter", notice->waiter->pid, notice->waiter->comm, notice->waiter->uid);
    if (notice->by_tid)
        add_process(out, "by", notice->by_tid, NULL, notice->by_uid);
    if (notice->old_token)
        json_out_uint(out, "old_token", notice->old_token);
    if (notice->heal) {
        json_out_string(out, "reason", heals_cause_name(notice->heal->cause));
        if (notice->heal->cause == HEAL_SIGNALLED)
            json_out_int(out, "signal", notice->heal->code);
        if (notice->heal->cause == HEAL_EXITED)
            json_out_int(out, "exit_code", notice->heal->code);
        json_out_bool(out, "kept", notice->heal->kept);
    }
}

static char *render(const Notice *notice, const SnapshotClaim *claim, uint64_t sequence)
{
    GString *out = g_string_new(NULL);
    json_out_begin(out, NULL, '{');
    json_out_string(out, "event", event_names[notice->kind]);
    json_out_uint(out, "seq", sequence);
    json_out_time(out, "at", notice->at_ns);
    json_out_bytes(out, "path", claim->path);
    json_out_string(out, "kind", viewer_kind(claim->kind));
    json_out_uint(out, "token", claim->token);
    add_process(out, "owner", claim->owner.pid, claim->owner.comm, claim->owner.uid);
    add_particulars(out, notice);
    json_out_end(out, '}');
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}

static bool has_data(const ControlHandle *handle)
{
    return handle->lines.length || handle->lost;
}

/* What was lost stands at the end: it is what came last. */
static void tell_lost(ControlHandle *handle)
{
    GString *out = g_string_new(NULL);
    json_out_begin(out, NULL, '{');
    json_out_string(out, "event", "lost");
    json_out_uint(out, "count", handle->lost);
    json_out_end(out, '}');
    g_string_append_c(out, '\n');
    g_queue_push_tail(&handle->lines, g_string_free(out, FALSE));
    handle->lost = 0;
}

/* Whole lines, as many as fit; a line that does not fit at all goes in parts. Lock held. */
static size_t take(ControlHandle *handle, char *data, size_t size)
{
    size_t used = 0;
    if (handle->lost && handle->lines.length == 0)
        tell_lost(handle);
    while (used < size && handle->lines.length) {
        char *line = g_queue_peek_head(&handle->lines);
        size_t left = strlen(line) - handle->read_of_head;
        size_t n = MIN(left, size - used);
        if (n < left && used)
            break;
        memcpy(data + used, line + handle->read_of_head, n);
        used += n;
        handle->read_of_head += n;
        if (n < left)
            break;
        g_free(g_queue_pop_head(&handle->lines));
        handle->read_of_head = 0;
        if (handle->lost && handle->lines.length == 0)
            tell_lost(handle);
    }
    return used;
}

/* Lock held. */
static void serve_pending(ControlHandle *handle)
{
    while (handle->pending.length && has_data(handle)) {
        HandlePending *pending = g_queue_pop_head(&handle->pending);
        g_autofree char *data = g_malloc(pending->size);
        size_t n = take(handle, data, pending->size);
        pending->answer(pending->request, data, (ssize_t)n);
        g_free(pending);
    }
    if (handle->wake_handle && has_data(handle)) {
        void *wake_handle = handle->wake_handle;
        handle->wake_handle = NULL;
        handle->wake(wake_handle);
    }
}

static void offer(Control *control, ControlHandle *handle, const Notice *notice)
{
    const Node *dir = node_by_id(&control->engine->store, handle->dir);
    SnapshotClaim claim;
    g_autofree char *path = NULL;
    if (!dir || !snapshot_claim(control->engine, dir, notice->claim, &claim, &path))
        return;
    if (handle->lines.length >= LINES_MAX)
        handle->lost++;
    else
        g_queue_push_tail(&handle->lines, render(notice, &claim, control->sequence));
    serve_pending(handle);
}

static void on_notice(void *ctx, const Notice *notice)
{
    Control *control = ctx;
    GHashTableIter iter;
    gpointer value;
    pthread_mutex_lock(&control->lock);
    control->sequence++;
    g_hash_table_iter_init(&iter, control->handles);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        ControlHandle *handle = value;
        if (handle->kind == VIRTUAL_NODE_EVENTS)
            offer(control, handle, notice);
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
    if (handle->wake_handle)
        handle->drop(handle->wake_handle);
    g_queue_clear_full(&handle->lines, g_free);
    handle->kind = VIRTUAL_NODE_END;
    pthread_mutex_unlock(&control->lock);
}

static ssize_t take_or_wait(ControlHandle *handle, char *data, size_t size)
{
    return has_data(handle) ? (ssize_t)take(handle, data, size) : -EAGAIN;
}

ssize_t control_events_read(Control *control, uint64_t fh, char *data, size_t size)
{
    pthread_mutex_lock(&control->lock);
    ControlHandle *handle = control_find_handle(control, fh);
    ssize_t n = handle ? take_or_wait(handle, data, size) : -ESTALE;
    pthread_mutex_unlock(&control->lock);
    return n;
}

bool control_events_wait(Control *control, uint64_t fh, size_t size, ControlAnswer answer,
                         void *request, char *data, ssize_t *n)
{
    pthread_mutex_lock(&control->lock);
    ControlHandle *handle = control_find_handle(control, fh);
    *n = handle ? take_or_wait(handle, data, size) : -ESTALE;
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

bool control_events_poll(Control *control, uint64_t fh, ControlWake wake, ControlWake drop,
                         void *handle_to_wake)
{
    pthread_mutex_lock(&control->lock);
    ControlHandle *handle = control_find_handle(control, fh);
    bool ready = !handle || has_data(handle);
    if (handle_to_wake && (ready || !handle)) {
        drop(handle_to_wake);
    } else if (handle_to_wake) {
        if (handle->wake_handle)
            handle->drop(handle->wake_handle);
        handle->wake = wake;
        handle->drop = drop;
        handle->wake_handle = handle_to_wake;
    }
    pthread_mutex_unlock(&control->lock);
    return ready;
}
