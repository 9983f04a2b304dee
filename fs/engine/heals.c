#include "engine/heals.h"

#include "base/clock.h"
#include "engine/decision.h"
#include "engine/entry.h"
#include "engine/notice.h"
#include "engine/trash.h"

#include <stdio.h>
#include <sys/wait.h>

#define HEALS_MAX 1000

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
        [HEAL_EXITED] = "exited",     [HEAL_INFERRED] = "inferred", [HEAL_SIGNALLED] = "signalled",
        [HEAL_RECYCLED] = "recycled", [HEAL_DIED] = "died",         [HEAL_REBOOT] = "reboot",
        [HEAL_BROKEN] = "broken",
    };
    return names[cause];
}

struct Heals {
    GQueue list; /* of Heal, oldest first */
};

Heals *heals_new(void)
{
    Heals *heals = g_new0(Heals, 1);
    g_queue_init(&heals->list);
    return heals;
}

void heals_free_one(Heal *heal)
{
    g_free(heal->path);
    g_free(heal);
}

void heals_free(Heals *heals)
{
    g_queue_clear_full(&heals->list, (GDestroyNotify)heals_free_one);
    g_free(heals);
}

/* The oldest whose content is not kept any more. */
static void make_room(Engine *engine)
{
    GQueue *list = &engine->heals->list;
    if (list->length < HEALS_MAX)
        return;
    for (GList *link = list->head; link; link = link->next) {
        Heal *heal = link->data;
        if (heal->kept && trash_find(engine, heal->token, NULL))
            continue;
        heals_free_one(heal);
        g_queue_delete_link(list, link);
        return;
    }
    heals_free_one(g_queue_pop_head(list));
}

static void set_cause(Heal *heal, const Claim *claim, const Owner *owner)
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

static void log_heal(Engine *engine, const Claim *claim, const Heal *heal)
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

void heals_note(Engine *engine, const Claim *claim, bool kept)
{
    const Owner *owner = owner_at(&engine->claims, claim->owner);
    Heal *heal = g_new0(Heal, 1);
    *heal = (Heal){
        .token = claim->token,
        .at_ns = clock_real_ns(),
        .acquired_ns = claim->acquired_ns,
        .path = g_strdup(entry_path(engine, node_at(&engine->store, claim->dir),
                                    claim_name(&engine->claims, claim))),
        .pid = owner->pid,
        .start_time = owner->start_time,
        .uid = claim->uid,
        .kind = claim->kind,
        .kept = kept,
    };
    g_strlcpy(heal->comm, owner->comm, sizeof heal->comm);
    set_cause(heal, claim, owner);
    make_room(engine);
    g_queue_push_tail(&engine->heals->list, heal);
    engine->stats.healed[heal->cause]++;
    log_heal(engine, claim, heal);
    if (!claim->broken)
        notice_send(engine, &(Notice){.kind = NOTICE_HEALED, .claim = claim, .heal = heal});
}

const Heal *heals_find(const Engine *engine, uint64_t token)
{
    for (const GList *link = engine->heals->list.tail; link; link = link->prev) {
        const Heal *heal = link->data;
        if (heal->token == token)
            return heal;
    }
    return NULL;
}

GPtrArray *heals_list(const Engine *engine)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)heals_free_one);
    for (const GList *link = engine->heals->list.head; link; link = link->next) {
        const Heal *heal = link->data;
        Heal *copy = g_memdup2(heal, sizeof *heal);
        copy->path = g_strdup(heal->path);
        g_ptr_array_add(list, copy);
    }
    return list;
}
