#include "engine/heals.h"

#include "base/clock.h"
#include "engine/decision.h"
#include "engine/entry.h"
#include "engine/notice.h"
#include "engine/reaper.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define HEALS_MAX 1000

/* Slots of the records. */
struct Heals {
    GQueue kept;   /* with content, soonest to expire first */
    GQueue bare;   /* the others, oldest first */
    int64_t bytes; /* of what is kept and was measured */
};

uint8_t heals_presume(HealCause cause)
{
    return (uint8_t)(1 + cause);
}

static HealCause presumed(const Owner *owner)
{
    return (HealCause)(owner->presumed - 1);
}

const char *heals_cause_name(HealCause cause)
{
    static const char *const names[HEAL_CAUSES] = {
        [HEAL_EXITED] = "exited", [HEAL_SIGNALLED] = "signalled", [HEAL_DIED] = "died",
        [HEAL_BROKEN] = "broken", [HEAL_INFERRED] = "inferred",   [HEAL_RECYCLED] = "recycled",
        [HEAL_REBOOT] = "reboot",
    };
    return names[cause];
}

Heals *heals_new(void)
{
    Heals *heals = g_new0(Heals, 1);
    g_queue_init(&heals->kept);
    g_queue_init(&heals->bare);
    return heals;
}

void heals_free(Heals *heals)
{
    g_queue_clear(&heals->kept);
    g_queue_clear(&heals->bare);
    g_free(heals);
}

static HealRecord *record_at(const Engine *engine, uint32_t slot)
{
    return slot_at(&engine->heal_records, slot);
}

static const HealRecord *record_look(const Engine *engine, uint32_t slot)
{
    return slot_look(&engine->heal_records, slot);
}

static gint by_expiry(gconstpointer a, gconstpointer b, gpointer engine)
{
    const HealRecord *one = record_look(engine, GPOINTER_TO_UINT(a));
    const HealRecord *other = record_look(engine, GPOINTER_TO_UINT(b));
    if (one->expires_ns != other->expires_ns)
        return one->expires_ns < other->expires_ns ? -1 : 1;
    return one->token < other->token ? -1 : one->token > other->token;
}

static void forget(Engine *engine, uint32_t slot)
{
    const HealRecord *record = record_look(engine, slot);
    names_remove(&engine->names, record->path);
    slot_release(&engine->heal_records, slot);
}

static void add_bare(Engine *engine, uint32_t slot)
{
    GQueue *bare = &engine->heals->bare;
    g_queue_push_tail(bare, GUINT_TO_POINTER(slot));
    if (bare->length > HEALS_MAX)
        forget(engine, GPOINTER_TO_UINT(g_queue_pop_head(bare)));
}

static void add_kept(Engine *engine, uint32_t slot)
{
    GQueue *kept = &engine->heals->kept;
    if (kept->tail && by_expiry(kept->tail->data, GUINT_TO_POINTER(slot), engine) > 0)
        g_queue_insert_sorted(kept, GUINT_TO_POINTER(slot), by_expiry, engine);
    else
        g_queue_push_tail(kept, GUINT_TO_POINTER(slot));
    reaper_wake(engine);
}

static gint by_age(gconstpointer a, gconstpointer b, gpointer engine)
{
    const HealRecord *one = record_look(engine, GPOINTER_TO_UINT(a));
    const HealRecord *other = record_look(engine, GPOINTER_TO_UINT(b));
    return one->at_ns < other->at_ns ? -1 : one->at_ns > other->at_ns;
}

void heals_recover(Engine *engine)
{
    Heals *heals = engine->heals;
    for (uint32_t i = 1; i <= engine->heal_records.used; i++) {
        const HealRecord *record = record_look(engine, i);
        if (!record)
            continue;
        if (record->kept_dir)
            node_pin(node_at(&engine->store, record->kept_dir));
        if (heals_is_kept(record))
            heals->bytes += MAX(record->bytes, 0);
        g_queue_push_tail(record->kept_dir ? &heals->kept : &heals->bare, GUINT_TO_POINTER(i));
    }
    g_queue_sort(&heals->kept, by_expiry, engine);
    g_queue_sort(&heals->bare, by_age, engine);
}

/* --- making records --- */

static void keep(Engine *engine, HealRecord *record, const HealPlace *place)
{
    record->kept_name = names_add(&engine->names, place->name);
    if (!record->kept_name)
        return;
    record->kept_dir = node_index(&engine->store, place->dir);
    record->expires_ns = place->expires_ns;
    record->bytes = -1;
    node_pin(place->dir);
}

/* The record to be filled in, and to be published with add(); without room `spare`, which goes. */
static HealRecord *record_new(Engine *engine, HealRecord *spare)
{
    uint32_t slot = slot_reserve(&engine->heal_records);
    return slot ? record_at(engine, slot) : spare;
}

static void add(Engine *engine, HealRecord *record, const HealPlace *place)
{
    uint32_t slot = slot_index(&engine->heal_records, record);
    if (place)
        keep(engine, record, place);
    slot_publish(&engine->heal_records, slot);
    if (record->kept_dir)
        add_kept(engine, slot);
    else
        add_bare(engine, slot);
}

static void set_cause(HealRecord *heal, const Claim *claim, const Owner *owner)
{
    heal->cause = HEAL_DIED;
    if (claim->broken) {
        heal->cause = HEAL_BROKEN;
    } else if (owner->presumed) {
        heal->cause = presumed(owner);
    } else if (owner->exit_known && WIFSIGNALED(owner->exit_status)) {
        heal->cause = HEAL_SIGNALLED;
        heal->code = WTERMSIG(owner->exit_status);
    } else if (owner->exit_known && WIFEXITED(owner->exit_status)) {
        heal->cause = HEAL_EXITED;
        heal->code = WEXITSTATUS(owner->exit_status);
    }
}

static void log_heal(Engine *engine, const Claim *claim, const HealRecord *heal)
{
    char reason[32];
    if (heal->cause == HEAL_BROKEN)
        return;
    g_strlcpy(reason, heals_cause_name(heal->cause), sizeof reason);
    if (heal->cause == HEAL_SIGNALLED)
        snprintf(reason, sizeof reason, "signal:%d", heal->code);
    else if (heal->cause == HEAL_EXITED)
        snprintf(reason, sizeof reason, "exit:%d", heal->code);
    decision_log(engine, &engine->heal_lines, "heal", claim, NULL, reason);
}

static void describe(Engine *engine, const Claim *claim, HealRecord *record)
{
    const Owner *owner = owner_peek(&engine->claims, claim->owner);
    record->token = claim->token;
    record->at_ns = journal_moment(&engine->journal);
    record->acquired_ns = claim->acquired_ns;
    record->pid = owner->pid;
    record->start_time = owner->start_time;
    record->uid = claim->uid;
    record->kind = claim->kind;
    g_strlcpy(record->comm, owner->comm, sizeof record->comm);
    set_cause(record, claim, owner);
}

static void count(EngineStats *stats, const HealRecord *record)
{
    bool named = record->code > 0 && record->code < STATS_SIGNALS;
    stats->healed[record->cause]++;
    if (record->cause == HEAL_SIGNALLED)
        stats->healed_by_signal[named ? record->code : 0]++;
}

void heals_note(Engine *engine, const Claim *claim, const HealPlace *kept)
{
    HealRecord spare = {0}, *record = record_new(engine, &spare);
    describe(engine, claim, record);
    if (record != &spare) {
        record->path =
            names_add_path(&engine->names, entry_path(engine, node_at(&engine->store, claim->dir),
                                                      claim_name(&engine->claims, claim)));
        add(engine, record, kept);
    }
    count(engine_stats(engine), record);
    log_heal(engine, claim, record);
    if (!claim->broken)
        notice_send(engine, &(Notice){.kind = NOTICE_HEALED, .claim = claim, .heal = record});
}

void heals_note_found(Engine *engine, uint64_t token, int64_t at_ns, const char *path,
                      const HealPlace *kept)
{
    HealRecord *record = record_new(engine, NULL);
    if (!record)
        return;
    record->token = token;
    record->at_ns = at_ns;
    record->cause = HEAL_DIED;
    record->uid = UINT32_MAX;
    record->path = names_add_path(&engine->names, path);
    add(engine, record, kept);
}

/* --- what is kept --- */

const HealRecord *heals_find(const Engine *engine, uint64_t token)
{
    for (uint32_t i = engine->heal_records.used; i > 0; i--) {
        const HealRecord *record = record_look(engine, i);
        if (record && record->token == token)
            return record;
    }
    return NULL;
}

const HealRecord *heals_first_kept(const Engine *engine)
{
    const GList *first = engine->heals->kept.head;
    return first ? record_look(engine, GPOINTER_TO_UINT(first->data)) : NULL;
}

const HealRecord *heals_first_unmeasured(const Engine *engine)
{
    for (const GList *link = engine->heals->kept.head; link; link = link->next) {
        const HealRecord *record = record_look(engine, GPOINTER_TO_UINT(link->data));
        if (heals_is_kept(record) && record->bytes < 0)
            return record;
    }
    return NULL;
}

void heals_measured(Engine *engine, const HealRecord *record, int64_t bytes)
{
    record_at(engine, slot_index(&engine->heal_records, record))->bytes = bytes;
    engine->heals->bytes += bytes;
}

int64_t heals_bytes(const Engine *engine)
{
    return engine->heals->bytes;
}

bool heals_has_later_kept(const Engine *engine, const HealRecord *record)
{
    const GList *last = engine->heals->kept.tail;
    return last && GPOINTER_TO_UINT(last->data) != slot_index(&engine->heal_records, record);
}

GHashTable *heals_kept_tokens(const Engine *engine)
{
    GHashTable *tokens = g_hash_table_new(g_int64_hash, g_int64_equal);
    for (const GList *link = engine->heals->kept.head; link; link = link->next)
        g_hash_table_add(tokens,
                         (gpointer)&record_look(engine, GPOINTER_TO_UINT(link->data))->token);
    return tokens;
}

uint32_t heals_take_first_kept(Engine *engine)
{
    uint32_t slot = GPOINTER_TO_UINT(g_queue_pop_head(&engine->heals->kept));
    HealRecord *record = record_at(engine, slot);
    engine->heals->bytes -= MAX(record->bytes, 0);
    record->expires_ns = 0;
    return slot;
}

void heals_drop_kept(Engine *engine, uint32_t slot)
{
    HealRecord *record = record_at(engine, slot);
    if (record->expires_ns) {
        g_queue_remove(&engine->heals->kept, GUINT_TO_POINTER(slot));
        engine->heals->bytes -= MAX(record->bytes, 0);
    }
    node_unpin(&engine->store, node_at(&engine->store, record->kept_dir));
    names_remove(&engine->names, record->kept_name);
    record->kept_dir = 0;
    record->kept_name = 0;
    add_bare(engine, slot);
}

/* --- looking --- */

void heals_free_one(Heal *heal)
{
    g_free(heal->path);
    g_free(heal);
}

static Heal *copy(const Engine *engine, const HealRecord *record)
{
    Heal *heal = g_new0(Heal, 1);
    *heal = (Heal){
        .token = record->token,
        .at_ns = record->at_ns,
        .acquired_ns = record->acquired_ns,
        .path = g_strdup(names_get(&engine->names, record->path)),
        .pid = record->pid,
        .start_time = record->start_time,
        .uid = record->uid,
        .cause = (HealCause)record->cause,
        .code = record->code,
        .kind = record->kind,
        .kept = heals_is_kept(record),
        .expires_ns = record->expires_ns,
        .bytes = record->bytes,
    };
    memcpy(heal->comm, record->comm, sizeof heal->comm);
    return heal;
}

static gint older_first(gconstpointer a, gconstpointer b)
{
    const Heal *one = *(Heal *const *)a, *other = *(Heal *const *)b;
    return one->at_ns < other->at_ns ? -1 : one->at_ns > other->at_ns;
}

GPtrArray *heals_list(const Engine *engine)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)heals_free_one);
    for (uint32_t i = 1; i <= engine->heal_records.used; i++) {
        const HealRecord *record = record_look(engine, i);
        if (record)
            g_ptr_array_add(list, copy(engine, record));
    }
    g_ptr_array_sort(list, older_first);
    return list;
}
