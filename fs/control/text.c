#include "control/handle.h"

#include "wire/json-out.h"

/* `locks` and `healed`: one JSON object a line. */

void text_locks(Control *control, ControlHandle *handle)
{
    Snapshot snapshot;
    if (snapshot_take(control->engine, handle->dir, &snapshot) < 0)
        return;
    for (guint i = 0; i < snapshot.claims->len; i++) {
        viewer_claim(&handle->viewer, handle->text,
                     &g_array_index(snapshot.claims, SnapshotClaim, i), snapshot.now_ns,
                     snapshot.waiters);
        g_string_append_c(handle->text, '\n');
    }
    snapshot_done(&snapshot);
}

void text_healed(Control *control, ControlHandle *handle)
{
    g_autoptr(GPtrArray) heals = snapshot_heals(control->engine, handle->dir);
    for (guint i = 0; heals && i < heals->len; i++) {
        viewer_heal(&handle->viewer, handle->text, g_ptr_array_index(heals, i));
        g_string_append_c(handle->text, '\n');
    }
}
