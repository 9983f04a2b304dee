#include "control/handle.h"

#include "engine/lasting.h"
#include "wire/json-out.h"

#include <string.h>

/* `stats` (one JSON object) and `metrics` (Prometheus text), of the whole mount. */

typedef struct {
    EngineStats stats;
    RequestStats requests;
    const char *const *names; /* of requests */
    uint32_t held, owners, waiting;
    uint32_t held_by_kind[STATS_KINDS];
} Figures;

static void collect(Engine *engine, Figures *figures)
{
    engine_lock(engine);
    figures->stats = *engine_stats_look(engine);
    figures->requests = engine->lasting->requests;
    figures->names = engine->request_names;
    figures->held = engine->claims.held;
    figures->owners = engine->claims.owners.live;
    memcpy(figures->held_by_kind, engine->held_by_kind, sizeof figures->held_by_kind);
    figures->waiting = waiters_count(engine);
    engine_unlock(engine);
}

static uint64_t sum(const uint64_t *counts, int n)
{
    uint64_t total = 0;
    for (int i = 0; i < n; i++)
        total += counts[i];
    return total;
}

static const char *signal_name(int number)
{
    const char *name = sigabbrev_np(number);
    return name ? name : "other";
}

static void add_requests(GString *out, const Figures *f)
{
    const RequestStats *requests = &f->requests;
    json_out_begin(out, "requests", '{');
    for (int op = 0; op < STATS_OPCODES; op++) {
        uint64_t count = requests->count[op];
        if (!count || !f->names[op])
            continue;
        json_out_begin(out, f->names[op], '{');
        json_out_uint(out, "count", count);
        json_out_uint(out, "mean_ns", requests->latency_ns[op] / count);
        json_out_end(out, '}');
    }
    json_out_end(out, '}');
}

void figures_stats(Control *control, ControlHandle *handle)
{
    g_autofree Figures *f = g_new0(Figures, 1);
    GString *out = handle->text;
    collect(control->engine, f);
    json_out_begin(out, NULL, '{');
    json_out_uint(out, "held", f->held);
    json_out_uint(out, "owners", f->owners);
    json_out_uint(out, "waiting", f->waiting);
    json_out_uint(out, "acquired", sum(f->stats.acquired, STATS_KINDS));
    json_out_uint(out, "contended", f->stats.contended);
    json_out_uint(out, "refused", f->stats.refused);
    json_out_uint(out, "released", f->stats.released);
    json_out_uint(out, "published", f->stats.published);
    json_out_uint(out, "unpacked", f->stats.unpacked);
    json_out_uint(out, "transferred", f->stats.transferred);
    json_out_uint(out, "restored", f->stats.restored);
    json_out_begin(out, "healed", '{');
    for (int i = 0; i < HEAL_CAUSES; i++)
        json_out_uint(out, heals_cause_name((HealCause)i), f->stats.healed[i]);
    json_out_end(out, '}');
    json_out_begin(out, "healed_by_signal", '{');
    for (int i = 0; i < STATS_SIGNALS; i++)
        if (f->stats.healed_by_signal[i])
            json_out_uint(out, signal_name(i), f->stats.healed_by_signal[i]);
    json_out_end(out, '}');
    json_out_begin(out, "takeovers", '{');
    for (int i = 0; i < TAKEOVER_CAUSES; i++)
        json_out_uint(out, viewer_takeover((TakeoverCause)i), f->stats.takeovers[i]);
    json_out_end(out, '}');
    json_out_uint(out, "resent", f->stats.resent);
    add_requests(out, f);
    json_out_end(out, '}');
    g_string_append_c(out, '\n');
}

static void head(GString *out, const char *name, const char *type, const char *help)
{
    g_string_append_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void simple(GString *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    head(out, name, type, help);
    g_string_append_printf(out, "%s %" G_GUINT64_FORMAT "\n", name, (guint64)value);
}

static void labelled(GString *out, const char *name, const char *label, const char *value,
                     uint64_t count)
{
    g_string_append_printf(out, "%s{%s=\"%s\"} %" G_GUINT64_FORMAT "\n", name, label, value,
                           (guint64)count);
}

static void histogram(GString *out, const RequestStats *requests, uint32_t op, const char *name)
{
    static const char metric[] = "lockfs_request_duration_seconds";
    uint64_t total = 0;
    for (int b = 0; b < STATS_BUCKETS - 1; b++) {
        total += requests->latency[op][b];
        g_string_append_printf(out, "%s_bucket{op=\"%s\",le=\"%.9g\"} %" G_GUINT64_FORMAT "\n",
                               metric, name, (double)(1ULL << (STATS_FIRST_BUCKET + b)) / 1e9,
                               (guint64)total);
    }
    g_string_append_printf(out,
                           "%s_bucket{op=\"%s\",le=\"+Inf\"} %" G_GUINT64_FORMAT "\n"
                           "%s_sum{op=\"%s\"} %.9g\n%s_count{op=\"%s\"} %" G_GUINT64_FORMAT "\n",
                           metric, name, (guint64)requests->count[op], metric, name,
                           (double)requests->latency_ns[op] / 1e9, metric, name,
                           (guint64)requests->count[op]);
}

static void add_claims(GString *out, const Figures *f)
{
    head(out, "lockfs_claims", "gauge", "Claims held now, by kind of entry.");
    for (int i = 0; i < STATS_KINDS; i++)
        labelled(out, "lockfs_claims", "kind", viewer_kind((ClaimKind)i), f->held_by_kind[i]);
    head(out, "lockfs_acquires_total", "counter", "Claims made, by kind of entry.");
    for (int i = 0; i < STATS_KINDS; i++)
        labelled(out, "lockfs_acquires_total", "kind", viewer_kind((ClaimKind)i),
                 f->stats.acquired[i]);
    head(out, "lockfs_heals_total", "counter",
         "Entries removed without their owner's doing, by reason.");
    for (int i = 0; i < HEAL_CAUSES; i++)
        labelled(out, "lockfs_heals_total", "reason", heals_cause_name((HealCause)i),
                 f->stats.healed[i]);
    head(out, "lockfs_heals_by_signal_total", "counter",
         "Entries removed because their owner was killed, by the signal.");
    for (int i = 0; i < STATS_SIGNALS; i++)
        if (f->stats.healed_by_signal[i])
            labelled(out, "lockfs_heals_by_signal_total", "signal", signal_name(i),
                     f->stats.healed_by_signal[i]);
}

void figures_metrics(Control *control, ControlHandle *handle)
{
    g_autofree Figures *f = g_new0(Figures, 1);
    GString *out = handle->text;
    collect(control->engine, f);
    add_claims(out, f);
    simple(out, "lockfs_owners", "gauge", "Processes known as owners now.", f->owners);
    simple(out, "lockfs_waiters", "gauge", "Processes whose attempts on a held name failed lately.",
           f->waiting);
    simple(out, "lockfs_contended_total", "counter", "Failed attempts on held names.",
           f->stats.contended);
    simple(out, "lockfs_refused_total", "counter",
           "Removals and changes of living claims refused to strangers.", f->stats.refused);
    simple(out, "lockfs_releases_total", "counter", "Claims released.", f->stats.released);
    simple(out, "lockfs_publishes_total", "counter", "Claims renamed to data.", f->stats.published);
    simple(out, "lockfs_unpacked_total", "counter", "Claims whose maker ended and left data.",
           f->stats.unpacked);
    simple(out, "lockfs_transfers_total", "counter", "Claims given to another process by command.",
           f->stats.transferred);
    simple(out, "lockfs_restores_total", "counter", "Healed entries whose content was given back.",
           f->stats.restored);
    head(out, "lockfs_takeovers_total", "counter",
         "Takeovers of the mount by another worker, by what became of the one before.");
    for (int i = 0; i < TAKEOVER_CAUSES; i++)
        labelled(out, "lockfs_takeovers_total", "reason", viewer_takeover((TakeoverCause)i),
                 f->stats.takeovers[i]);
    simple(out, "lockfs_resent_requests_total", "counter",
           "Requests that the kernel gave to another worker after a takeover.", f->stats.resent);
    head(out, "lockfs_request_duration_seconds", "histogram",
         "Time to serve requests of the kernel, by operation.");
    for (uint32_t op = 0; op < STATS_OPCODES; op++)
        if (f->requests.count[op] && f->names[op])
            histogram(out, &f->requests, op, f->names[op]);
}
