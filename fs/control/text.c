#include "control/handle.h"

#include "engine/snapshot-walk.h"
#include "wire/json-out.h"

/* `locks`, `healed` and `observed`: one JSON object a line. */

void text_locks(Control *control, ControlHandle *handle)
{
    Snapshot snapshot;
    if (snapshot_walk(control->engine, handle->dir, &snapshot) < 0)
        return;
    g_autoptr(GHashTable) owners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    Viewer viewer = handle->viewer;
    viewer.owners = owners;
    for (guint i = 0; i < snapshot.claims->len; i++) {
        viewer_claim(&viewer, handle->text, &g_array_index(snapshot.claims, SnapshotClaim, i),
                     snapshot.now_ns, snapshot.waiters);
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

/* The first line is about all of it; with nothing observed it is the only one. */
void text_observed(Control *control, ControlHandle *handle)
{
    ObservedList list;
    GString *out = handle->text;
    if (observed_list(control->engine, handle->dir, &list) < 0)
        return;
    json_out_begin(out, NULL, '{');
    json_out_bool(out, "observing", list.since_ns != 0);
    if (list.since_ns) {
        json_out_time(out, "since", list.since_ns);
        json_out_uint(out, "made", list.made);
        json_out_uint(out, "forgotten", list.forgotten);
    }
    json_out_end(out, '}');
    g_string_append_c(out, '\n');
    for (guint i = 0; i < list.patterns->len; i++) {
        viewer_pattern(&handle->viewer, out, g_ptr_array_index(list.patterns, i));
        g_string_append_c(out, '\n');
    }
    observed_list_done(&list);
}
