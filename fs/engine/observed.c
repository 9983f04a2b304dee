#include "engine/observed.h"

#include "base/clock.h"
#include "engine/entry.h"
#include "engine/life.h"
#include "engine/owner.h"
#include "wire/name-glob.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#define TRACES_MAX 4096
#define PATTERNS_MAX 2048

/* An entry that is there. */
typedef struct {
    ObservedPattern *pattern;
    char *path;      /* from the root; the key */
    uint32_t owner;  /* held; 0: the maker has ended */
    int64_t made_ns; /* since the epoch */
    GList *link;     /* in Observed.by_age */
} Trace;

struct Observed {
    GHashTable *patterns; /* key → ObservedPattern */
    GQueue pattern_keys;  /* oldest first; owned by the table */
    GHashTable *traces;   /* path → Trace */
    GQueue by_age;        /* of Trace, oldest first */
    int64_t since_ns;
    uint64_t made, forgotten;
};

static void pattern_clear(ObservedPattern *pattern)
{
    g_free(pattern->directory);
    g_free(pattern->name);
    g_free(pattern->example);
}

static void pattern_free(gpointer data)
{
    pattern_clear(data);
    g_free(data);
}

static void trace_free(gpointer data)
{
    Trace *trace = data;
    g_free(trace->path);
    g_free(trace);
}

void observed_begin(Engine *engine)
{
    Observed *observed = g_new0(Observed, 1);
    observed->patterns = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, pattern_free);
    observed->traces = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, trace_free);
    observed->since_ns = clock_real_ns();
    engine->observed = observed;
}

void observed_done(Engine *engine)
{
    Observed *observed = engine->observed;
    if (!observed)
        return;
    g_queue_clear(&observed->by_age);
    g_queue_clear(&observed->pattern_keys);
    g_hash_table_unref(observed->traces);
    g_hash_table_unref(observed->patterns);
    g_clear_pointer(&engine->observed, g_free);
}

/* --- entries that are followed --- */

static void let_go_of_maker(Engine *engine, Trace *trace)
{
    if (trace->owner)
        owner_unhold(engine, owner_at(&engine->claims, trace->owner));
    trace->owner = 0;
}

static void trace_end(Engine *engine, Trace *trace)
{
    Observed *observed = engine->observed;
    let_go_of_maker(engine, trace);
    g_queue_delete_link(&observed->by_age, trace->link);
    g_hash_table_remove(observed->traces, trace->path);
}

static void count_held(Trace *trace)
{
    ObservedPattern *pattern = trace->pattern;
    pattern->held_ns_max = MAX(pattern->held_ns_max, clock_real_ns() - trace->made_ns);
}

/* Its maker has ended, and it is still there. */
static void count_left(Engine *engine, Trace *trace)
{
    const Owner *owner = owner_at(&engine->claims, trace->owner);
    ObservedPattern *pattern = trace->pattern;
    if (!owner->exit_known)
        pattern->left_by_unknown++;
    else if (WIFSIGNALED(owner->exit_status))
        pattern->left_by_killed++;
    else
        pattern->left_by_exited++;
    count_held(trace);
    let_go_of_maker(engine, trace);
}

static bool maker_lives(Engine *engine, Trace *trace)
{
    if (trace->owner && life_owner_is_dead(engine, owner_at(&engine->claims, trace->owner)))
        count_left(engine, trace);
    return trace->owner != 0;
}

void observed_owner_ended(Engine *engine, const Owner *owner)
{
    Observed *observed = engine->observed;
    if (!observed)
        return;
    uint32_t index = owner_index(&engine->claims, owner);
    for (GList *link = observed->by_age.head; link; link = link->next) {
        Trace *trace = link->data;
        if (trace->owner == index)
            count_left(engine, trace);
    }
}

static Trace *find_trace(Engine *engine, Node *dir, const char *name)
{
    return g_hash_table_size(engine->observed->traces)
               ? g_hash_table_lookup(engine->observed->traces, entry_path(engine, dir, name))
               : NULL;
}

static void trace_begin(Engine *engine, ObservedPattern *pattern, const char *path, Owner *owner)
{
    Observed *observed = engine->observed;
    if (observed->by_age.length >= TRACES_MAX)
        trace_end(engine, observed->by_age.head->data);
    Trace *trace = g_new0(Trace, 1);
    *trace = (Trace){
        .pattern = pattern,
        .path = g_strdup(path),
        .owner = owner ? owner_index(&engine->claims, owner) : 0,
        .made_ns = clock_real_ns(),
    };
    if (owner)
        owner_hold(engine, owner);
    g_queue_push_tail(&observed->by_age, trace);
    trace->link = observed->by_age.tail;
    g_hash_table_insert(observed->traces, trace->path, trace);
}

/* --- patterns --- */

static void set_add(ObservedSet *set, uint64_t member)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->seen[i] == member) {
            set->again++;
            return;
        }
    }
    if (set->count < OBSERVED_SOME)
        set->seen[set->count++] = member;
}

static void add_program(ObservedPattern *pattern, const char *comm)
{
    for (int i = 0; i < OBSERVED_PROGRAMS; i++) {
        if (strcmp(pattern->programs[i], comm) == 0)
            return;
        if (!pattern->programs[i][0]) {
            g_strlcpy(pattern->programs[i], comm, sizeof pattern->programs[i]);
            return;
        }
    }
}

static bool looks_like_a_lock(const ObservedPattern *pattern)
{
    return pattern->released || pattern->left_by_killed || pattern->names.again;
}

static void forget_pattern(Engine *engine, GList *key)
{
    Observed *observed = engine->observed;
    const ObservedPattern *pattern = g_hash_table_lookup(observed->patterns, key->data);
    GList *next;
    for (GList *link = observed->by_age.head; link; link = next) {
        next = link->next;
        if (((Trace *)link->data)->pattern == pattern)
            trace_end(engine, link->data);
    }
    observed->forgotten += pattern->made;
    g_hash_table_remove(observed->patterns, key->data);
    g_queue_delete_link(&observed->pattern_keys, key);
}

/* The oldest that nothing speaks for; false: all are of worth. */
static bool make_room(Engine *engine)
{
    Observed *observed = engine->observed;
    if (observed->pattern_keys.length < PATTERNS_MAX)
        return true;
    for (GList *key = observed->pattern_keys.head; key; key = key->next) {
        if (!looks_like_a_lock(g_hash_table_lookup(observed->patterns, key->data))) {
            forget_pattern(engine, key);
            return true;
        }
    }
    return false;
}

/* NULL: no room. */
static ObservedPattern *obtain_pattern(Engine *engine, Node *dir, const char *name, ClaimKind kind)
{
    Observed *observed = engine->observed;
    g_autofree char *alike = name_glob_alike(name);
    g_autofree char *key = g_strdup_printf("%d/%s", kind, entry_path(engine, dir, alike));
    ObservedPattern *pattern = g_hash_table_lookup(observed->patterns, key);
    if (pattern || !make_room(engine))
        return pattern;
    const char *path = entry_path(engine, dir, "");
    pattern = g_new0(ObservedPattern, 1);
    pattern->directory = g_strndup(path, MAX(strlen(path), 1) - 1);
    pattern->name = g_steal_pointer(&alike);
    pattern->example = g_strdup(name);
    pattern->kind = (uint8_t)kind;
    pattern->first_ns = clock_real_ns();
    g_queue_push_tail(&observed->pattern_keys, key);
    g_hash_table_insert(observed->patterns, g_steal_pointer(&key), pattern);
    return pattern;
}

static void count_made(Engine *engine, ObservedPattern *pattern, Node *dir, const char *name)
{
    RuleTarget target = pattern->kind == CLAIM_KIND_DIR ? RULE_TARGET_DIR : RULE_TARGET_OTHER;
    pattern->made++;
    pattern->last_ns = clock_real_ns();
    pattern->rule = entry_rule_that_decides(engine, dir, name, target);
    set_add(&pattern->names, g_str_hash(name));
}

static void count_maker(ObservedPattern *pattern, const Owner *owner)
{
    set_add(&pattern->makers, (uint64_t)owner->pid << 40 ^ owner->start_time);
    add_program(pattern, owner->comm);
}

/* maker NULL: it cannot be told. */
static void note_made(Engine *engine, Node *dir, const char *name, ClaimKind kind, Owner *maker)
{
    Observed *observed = engine->observed;
    ObservedPattern *pattern = obtain_pattern(engine, dir, name, kind);
    observed->made++;
    if (!pattern) {
        observed->forgotten++;
        return;
    }
    count_made(engine, pattern, dir, name);
    if (maker)
        count_maker(pattern, maker);
    trace_begin(engine, pattern, entry_path(engine, dir, name), maker);
}

/* --- what happens --- */

void observed_made(Engine *engine, const Caller *caller, Node *dir, const char *name,
                   ClaimKind kind)
{
    if (!engine->observed)
        return;
    Trace *before = find_trace(engine, dir, name);
    if (before)
        trace_end(engine, before);
    OwnerFound who;
    bool known = owner_identify(engine, caller, OWNER_SCOPE_PROCESS, &who) == 0;
    if (!known || kind != CLAIM_KIND_FILE || who.caller_kind != HELPER_COPIER)
        note_made(engine, dir, name, kind, known ? who.owner : NULL);
    if (known)
        owner_release_found(engine, &who);
}

void observed_removed(Engine *engine, const Caller *caller, Node *dir, const char *name)
{
    Trace *trace = engine->observed ? find_trace(engine, dir, name) : NULL;
    if (!trace)
        return;
    ObservedPattern *pattern = trace->pattern;
    if (!maker_lives(engine, trace)) {
        pattern->removed_later++;
    } else {
        count_held(trace);
        if (owner_is_family_of(engine, caller, owner_at(&engine->claims, trace->owner)))
            pattern->released++;
        else
            pattern->removed_by_others++;
    }
    trace_end(engine, trace);
}

static void forget_below(Engine *engine, const char *path)
{
    size_t len = strlen(path);
    GList *next;
    for (GList *link = engine->observed->by_age.head; link; link = next) {
        Trace *trace = link->data;
        next = link->next;
        if (strncmp(trace->path, path, len) == 0 && trace->path[len] == '/')
            trace_end(engine, trace);
    }
}

void observed_renamed(Engine *engine, Node *dir, const char *name, Node *new_dir,
                      const char *new_name)
{
    if (!engine->observed)
        return;
    g_autofree char *path = g_strdup(entry_path(engine, dir, name));
    Trace *trace = find_trace(engine, new_dir, new_name);
    if (trace)
        trace_end(engine, trace);
    trace = find_trace(engine, dir, name);
    if (trace) {
        trace->pattern->renamed++;
        count_held(trace);
        trace_end(engine, trace);
    }
    forget_below(engine, path);
}

void observed_opened(Engine *engine, const Caller *caller, const Node *node)
{
    Node *dir = engine->observed ? node_parent(&engine->store, node) : NULL;
    Trace *trace = dir ? find_trace(engine, dir, names_get(&engine->names, node->name)) : NULL;
    if (trace && (!maker_lives(engine, trace) ||
                  !owner_is_family_of(engine, caller, owner_at(&engine->claims, trace->owner))))
        trace->pattern->read_by_others++;
}

/* --- telling --- */

/* NULL: not below `top`. */
static char *directory_below(const ObservedPattern *pattern, const char *top)
{
    size_t len = strlen(top);
    if (len == 0)
        return g_strdup(pattern->directory);
    if (strncmp(pattern->directory, top, len) != 0 ||
        (pattern->directory[len] && pattern->directory[len] != '/'))
        return NULL;
    return g_strdup(pattern->directory + len + (pattern->directory[len] == '/'));
}

static void list_patterns(const Observed *observed, const char *top, GPtrArray *list)
{
    for (const GList *key = observed->pattern_keys.head; key; key = key->next) {
        const ObservedPattern *pattern = g_hash_table_lookup(observed->patterns, key->data);
        char *directory = directory_below(pattern, top);
        if (!directory)
            continue;
        ObservedPattern *copy = g_memdup2(pattern, sizeof *pattern);
        copy->directory = directory;
        copy->name = g_strdup(pattern->name);
        copy->example = g_strdup(pattern->example);
        g_ptr_array_add(list, copy);
    }
}

static void count_standing(Engine *engine)
{
    Observed *observed = engine->observed;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, observed->patterns);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((ObservedPattern *)value)->standing = 0;
    for (GList *link = observed->by_age.head; link; link = link->next) {
        Trace *trace = link->data;
        if (maker_lives(engine, trace)) {
            trace->pattern->standing++;
            count_held(trace);
        }
    }
}

int observed_list(Engine *engine, uint64_t dir, ObservedList *out)
{
    Creds creds;
    creds_init_thread(&creds, &engine->serving_creds);
    engine_lock_aside(engine, &creds);
    Node *top = node_by_id(&engine->store, dir);
    if (top) {
        *out = (ObservedList){
            .rules = rule_set_ref(engine->rules),
            .patterns = g_ptr_array_new_with_free_func(pattern_free),
        };
    }
    if (top && engine->observed) {
        count_standing(engine);
        list_patterns(engine->observed, entry_path_of(engine, top), out->patterns);
        out->since_ns = engine->observed->since_ns;
        out->made = engine->observed->made;
        out->forgotten = engine->observed->forgotten;
    }
    engine_unlock_aside(engine);
    return top ? 0 : -ESTALE;
}

void observed_list_done(ObservedList *list)
{
    rule_set_unref(list->rules);
    g_ptr_array_unref(list->patterns);
}
