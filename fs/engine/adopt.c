#include "engine/adopt.h"

#include "engine/entry.h"
#include "engine/heals.h"
#include "engine/life.h"
#include "engine/owner.h"
#include "engine/path.h"
#include "engine/proof.h"
#include "engine/recover.h"
#include "engine/tables.h"

#include <string.h>

/* As deep as paths are followed. */
#define DEPTH_MAX 4096

typedef struct {
    Engine *engine;
    Engine *old; /* its tables only */
    EngineWorld world;
    EngineAdoption *adoption;
} Adopting;

/* The path from the root down to `index`; false: it is reached by none. */
static bool path_of(const Engine *old, uint32_t index, GString *path)
{
    const Node *root = slot_peek(&old->store.nodes, 1);
    unsigned depth = 0;
    for (const Node *node = slot_peek(&old->store.nodes, index); node != root;
         node = slot_peek(&old->store.nodes, node->parent)) {
        if (node->parent == 0 || node->severed || depth++ == DEPTH_MAX)
            return false;
        if (path->len)
            g_string_prepend_c(path, '/');
        g_string_prepend(path, names_get(&old->names, node->name));
    }
    return true;
}

/* Interns what is found there; NULL: it is not what it was. */
static Node *find(Engine *engine, Node *dir, const char *name, const Node *was)
{
    struct stat st;
    if (source_stat_at(&engine->store, dir, name, &st) < 0 || st.st_ino != was->ino ||
        st.st_dev != was->dev || ((st.st_mode ^ was->mode) & S_IFMT) != 0)
        return NULL;
    return node_intern(&engine->store, dir, name, &st);
}

static const Owner *old_owner(const Engine *old, uint32_t index)
{
    return index ? slot_peek(&old->claims.owners, index) : NULL;
}

/* Its record, or NULL: it cannot be told whether it lives, or there is no room. */
static Owner *owner_again(const Adopting *adopting, const Owner *was)
{
    AUTO_PROOF Proof proof = PROOF_NONE;
    if (adopting->world == ENGINE_WORLD_SAME)
        proof_of_owner(adopting->engine->proc, was, &proof);
    else if (adopting->world == ENGINE_WORLD_GONE)
        proof.life = PIDREF_DEAD;
    if (proof.life == PIDREF_UNKNOWN)
        return NULL;
    bool rebooted = adopting->world == ENGINE_WORLD_GONE && !was->dead;
    return owner_adopt(adopting->engine, was, &proof, rebooted ? heals_presume(HEAL_REBOOT) : 0);
}

/* The owner, and who would inherit from it. false: it cannot be told who holds it. */
static bool owners_for(const Adopting *adopting, const Claim *was, Owner **owner, Owner **heir)
{
    const Owner *next = old_owner(adopting->old, was->heir);
    *owner = owner_again(adopting, old_owner(adopting->old, was->owner));
    *heir = next && *owner ? owner_again(adopting, next) : NULL;
    if (!*owner || (next && !*heir))
        return false;
    if (*heir && (*owner)->dead) {
        *owner = *heir;
        *heir = NULL;
    }
    return true;
}

static bool take_up(const Adopting *adopting, const Claim *was, Node *dir, const char *name)
{
    Engine *engine = adopting->engine;
    const Node *was_node = slot_peek(&adopting->old->store.nodes, was->node);
    RuleTarget target = S_ISDIR(was_node->mode) ? RULE_TARGET_DIR : RULE_TARGET_OTHER;
    const Rule *rule = entry_rule(engine, dir, name, target);
    if (!rule || claim_table_find(&engine->claims, node_index(&engine->store, dir), name))
        return false;
    Node *node = find(engine, dir, name, was_node);
    Owner *owner, *heir;
    if (!node || !owners_for(adopting, was, &owner, &heir))
        return false;
    Claim *claim = claim_table_reserve(&engine->claims, node_index(&engine->store, dir), name);
    if (!claim)
        return false;
    claim->node = node_index(&engine->store, node);
    claim->kind = was->kind;
    claim->rule = rule->index;
    claim->release_anyone = rule->traits.release_anyone;
    claim->reason = was->reason;
    claim->acquired_ns = was->acquired_ns;
    claim->tidy = was->tidy;
    claim->dated = was->dated;
    claim->caller_pid = was->caller_pid;
    memcpy(claim->caller_comm, was->caller_comm, sizeof claim->caller_comm);
    life_begin(engine, claim, owner, heir);
    claim->token = was->token;
    node->shown_ino = was_node->shown_ino;
    adopting->adoption->held += !owner->dead;
    adopting->adoption->dead += owner->dead;
    return true;
}

static void adopt_claim(const Adopting *adopting, const Claim *was)
{
    Engine *engine = adopting->engine;
    GString *path = g_string_new(NULL);
    Node *dir = path_of(adopting->old, was->dir, path) ? path_reach(engine, path->str) : NULL;
    g_string_free(path, TRUE);
    const char *name = names_get(&adopting->old->names, was->name);
    if (!dir || !take_up(adopting, was, dir, name))
        adopting->adoption->left++;
    if (dir)
        node_unpin(&engine->store, dir);
}

static void adopt_all(const Adopting *adopting)
{
    const ClaimTable *claims = &adopting->old->claims;
    Engine *engine = adopting->engine;
    uint64_t *last = engine->claims.last_token;
    *last = MAX(*last, *claims->last_token);
    for (uint32_t i = 1; i <= claims->claims.used; i++) {
        const Claim *was = slot_peek(&claims->claims, i);
        if (!slot_is_used(&claims->claims, i) || was->state == CLAIM_GHOST)
            continue;
        engine_lock(engine);
        creds_as_daemon(engine->store.creds);
        adopt_claim(adopting, was);
        engine_unlock(engine);
    }
}

int engine_adopt(Engine *engine, int file, EngineWorld world, EngineAdoption *adoption)
{
    g_autofree Engine *old = g_new0(Engine, 1);
    g_autofree char *problem = NULL;
    *adoption = (EngineAdoption){0};
    int r = tables_open(old, file, NULL);
    if (r < 0)
        return r;
    if (journal_is_undecided(&old->journal)) {
        journal_rollback(&old->journal);
        journal_end(&old->journal);
    }
    const Node *root = node_root(&old->store), *now = node_root(&engine->store);
    if (!slot_is_used(&old->store.nodes, 1) || root->ino != now->ino || root->dev != now->dev ||
        !engine_check(old, &problem))
        r = -EPROTO;
    else
        adopt_all(&(Adopting){engine, old, world, adoption});
    tables_close(old);
    return r;
}
