#include "engine/entry.h"

#include "base/clock.h"
#include "engine/guard.h"
#include "engine/life.h"

typedef struct {
    Engine *engine;
    const Node *dir;
    const char *name;
} PathRequest;

/* Builds the path backwards, from the name up to the root, into the engine's scratch string. */
static const char *path_of(void *ctx)
{
    PathRequest *request = ctx;
    GString *path = request->engine->path;
    g_string_assign(path, request->name);
    const Store *store = &request->engine->store;
    const Node *root = node_peek(store, 1);
    for (const Node *dir = request->dir; dir && dir != root; dir = node_above(store, dir)) {
        g_string_prepend_c(path, '/');
        g_string_prepend(path, names_get(&request->engine->names, dir->name));
    }
    return path->str;
}

const char *entry_path(Engine *engine, Node *dir, const char *name)
{
    return path_of(&(PathRequest){engine, dir, name});
}

const char *entry_path_of(Engine *engine, const Node *node)
{
    Node *dir = node_parent(&engine->store, node);
    return dir ? entry_path(engine, dir, names_get(&engine->names, node->name)) : "";
}

static bool append_rule(const Rule *rule, void *user)
{
    g_ptr_array_add(user, (gpointer)rule);
    return true;
}

void entry_explain(Engine *engine, Node *dir, const char *name, RuleTarget target, GPtrArray *rules)
{
    PathRequest request = {engine, dir, name};
    rule_set_explain(engine->rules, name, target, path_of, &request, append_rule, rules);
}

const Rule *entry_rule_that_decides(Engine *engine, Node *dir, const char *name, RuleTarget target)
{
    PathRequest request = {engine, dir, name};
    return rule_set_match(engine->rules, name, target, path_of, &request);
}

const Rule *entry_rule(Engine *engine, Node *dir, const char *name, RuleTarget target)
{
    const Rule *rule = entry_rule_that_decides(engine, dir, name, target);
    return rule && rule->kind == RULE_LOCK ? rule : NULL;
}

static void show_fresh(Engine *engine, struct stat *st)
{
    if (!engine->options.mtime_real)
        st->st_mtim = st->st_ctim = clock_file_now();
}

/* Members go with the claim they lie in. */
static bool is_inside_claim(const Engine *engine, const Node *dir)
{
    if (engine->claims.claims.live == 0)
        return false;
    while (dir && !dir->claim)
        dir = node_above(&engine->store, dir);
    return dir != NULL;
}

void entry_fill(Engine *engine, Node *dir, const char *name, Node *node, const struct stat *st,
                Entry *entry)
{
    if (node->belief == NODE_DOUBTED)
        node->belief = NODE_DISBELIEVED;
    bool believed = !node->claim && node->belief == NODE_BELIEVED &&
                    !is_inside_claim(engine, dir) &&
                    !entry_rule(engine, dir, name, RULE_TARGET_UNKNOWN);
    entry->node_id = node_id(&engine->store, node);
    entry->attr = *st;
    entry->entry_timeout = entry->attr_timeout = believed ? engine->options.data_timeout : 0;
    node_dress(node, &entry->attr);
    /* Whoever asks with stat() sends a GETATTR after this; only then it matters who it is. */
    if (node->claim && !engine->options.observe)
        show_fresh(engine, &entry->attr);
    node_look(node);
}

void entry_fill_absent(Engine *engine, Node *dir, const char *name, Entry *entry)
{
    bool believed = !entry_rule(engine, dir, name, RULE_TARGET_UNKNOWN);
    *entry = (Entry){.entry_timeout = believed ? engine->options.negative_timeout : 0};
}

static bool is_veiled(Engine *engine, const Caller *caller, Node *node)
{
    uint32_t next;
    for (uint32_t i = node->claim; i; i = next) {
        Claim *claim = claim_at(&engine->claims, i);
        next = claim->node_next;
        if (guard_ask(engine, caller, life_current(engine, claim), ACT_ATTRS) == VERDICT_VEIL)
            return true;
    }
    return false;
}

/* Names of this file that nobody is shown, though they still stand on the source. */
static nlink_t dead_names(Engine *engine, const Node *node)
{
    nlink_t dead = 0;
    uint32_t next;
    for (uint32_t i = node->claim; i; i = next) {
        Claim *claim = claim_at(&engine->claims, i);
        next = claim->node_next;
        claim = life_current(engine, claim);
        dead += claim && claim->state == CLAIM_DEAD;
    }
    return dead;
}

void entry_dress(Engine *engine, const Caller *caller, Node *node, Entry *entry)
{
    node_dress(node, &entry->attr);
    entry->node_id = node_id(&engine->store, node);
    entry->attr_timeout = node->claim ? 0 : engine->options.data_timeout;
    if (node->claim && !node_is_dir(node))
        entry->attr.st_nlink -= MIN(entry->attr.st_nlink, dead_names(engine, node));
    if (node->claim && !engine->options.mtime_real && is_veiled(engine, caller, node))
        show_fresh(engine, &entry->attr);
}
