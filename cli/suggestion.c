#include "suggestion.h"

#include "quote.h"
#include "record.h"
#include "table.h"
#include "wire/name-glob.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <string.h>

static const char *const kind_names[] = {"lock", "data", "unsure", "known", "plain", "temporary"};

const char *suggestion_name(SuggestionKind kind)
{
    return kind_names[kind];
}

static void suggestion_free(gpointer data)
{
    Suggestion *suggestion = data;
    g_free(suggestion->pattern);
    g_free(suggestion->because);
    json_array_unref(suggestion->seen);
    g_free(suggestion);
}

/* Of all records of a suggestion. */
static gint64 sum(const Suggestion *suggestion, const char *member)
{
    gint64 total = 0;
    for (guint i = 0; i < json_array_get_length(suggestion->seen); i++)
        total += record_int(json_array_get_object_element(suggestion->seen, i), member);
    return total;
}

/* --- what it is --- */

static bool ruled(JsonObject *record, const char *kind)
{
    g_autofree char *rule = record_bytes(record, "rule.kind");
    return strcmp(rule, kind) == 0;
}

/* Is the word there, at the beginning of a word? */
static bool has_word(const char *name, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = name; *at; at++) {
        bool begins = at == name || !g_ascii_isalpha(at[-1]) || g_ascii_isupper(*at);
        if (begins && g_ascii_strncasecmp(at, word, len) == 0)
            return true;
    }
    return false;
}

static bool is_called_a_lock(JsonObject *record)
{
    static const char *const words[] = {"lock", "lck", "pid", "mutex", "singleton"};
    g_autofree char *name = record_bytes(record, "example");
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (has_word(name, words[i]))
            return true;
    return false;
}

/* What is seen of names that nothing but a rule or their ends speak of. */
static SuggestionKind by_behaviour(JsonObject *record)
{
    bool again = record_int(record, "names_again") > 0;
    bool called = is_called_a_lock(record);
    gint64 released = record_int(record, "released") + record_int(record, "removed_by_others");
    if (record_int(record, "left_by_exited"))
        return SUGGESTION_PLAIN;
    if (record_int(record, "renamed"))
        return again ? SUGGESTION_UNSURE : SUGGESTION_PLAIN;
    if (released)
        return again || (called && record_int(record, "names") == 1) ? SUGGESTION_LOCK
               : called                                              ? SUGGESTION_UNSURE
                                                                     : SUGGESTION_TEMPORARY;
    if (record_int(record, "left_by_killed"))
        return again ? SUGGESTION_LOCK : SUGGESTION_UNSURE;
    return called ? SUGGESTION_UNSURE : SUGGESTION_PLAIN;
}

static SuggestionKind kind_of(JsonObject *record)
{
    SuggestionKind kind = by_behaviour(record);
    if (ruled(record, "lock"))
        return record_int(record, "left_by_exited") ? SUGGESTION_DATA : SUGGESTION_KNOWN;
    if (ruled(record, "data") && kind == SUGGESTION_LOCK)
        return SUGGESTION_UNSURE; /* somebody said so */
    return kind;
}

/* --- its pattern --- */

static char *join(const char *top, const char *directory)
{
    return *top && *directory ? g_strconcat(top, "/", directory, NULL)
                              : g_strdup(*top ? top : directory);
}

static char *pattern_of(JsonObject *record, const char *top)
{
    g_autofree char *directory = record_bytes(record, "directory");
    g_autofree char *example = record_bytes(record, "example");
    g_autofree char *kind = record_bytes(record, "kind");
    g_autofree char *name =
        record_int(record, "names") > 1 ? record_bytes(record, "name") : name_glob_exact(example);
    g_autofree char *path = join(top, directory);
    g_autofree char *glob = name_glob_exact(path);
    /* With nothing before it a name would match anywhere. */
    return g_strconcat(glob, "/", name, strcmp(kind, "dir") == 0 ? "/" : "", NULL);
}

/* Two patterns that differ in one directory, as one; NULL: they do not. */
static char *merged_pattern(const char *a, const char *b)
{
    g_auto(GStrv) as = g_strsplit(a, "/", -1);
    g_auto(GStrv) bs = g_strsplit(b, "/", -1);
    guint n = g_strv_length(as), last = n - (g_str_has_suffix(a, "/") ? 2 : 1);
    int differs = -1;
    if (n != g_strv_length(bs))
        return NULL;
    for (guint i = 0; i < n; i++) {
        if (strcmp(as[i], bs[i]) == 0)
            continue;
        if (differs >= 0 || i == last || !*as[i] || !*bs[i])
            return NULL;
        differs = (int)i;
    }
    if (differs >= 0) {
        g_free(as[differs]);
        as[differs] = g_strdup("*");
    }
    return g_strjoinv("/", as);
}

static bool merge(Suggestion *into, const Suggestion *other)
{
    if (into->kind != other->kind)
        return false;
    char *pattern = merged_pattern(into->pattern, other->pattern);
    if (!pattern)
        return false;
    g_free(into->pattern);
    into->pattern = pattern;
    for (guint i = 0; i < json_array_get_length(other->seen); i++)
        json_array_add_object_element(
            into->seen, json_object_ref(json_array_get_object_element(other->seen, i)));
    return true;
}

/* Names that go into no rule are not put together. */
static bool is_for_a_rule(const Suggestion *suggestion)
{
    return suggestion->kind == SUGGESTION_LOCK || suggestion->kind == SUGGESTION_DATA;
}

static void add(GPtrArray *list, Suggestion *suggestion)
{
    for (guint i = 0; is_for_a_rule(suggestion) && i < list->len; i++) {
        if (merge(g_ptr_array_index(list, i), suggestion)) {
            suggestion_free(suggestion);
            return;
        }
    }
    g_ptr_array_add(list, suggestion);
}

/* Data that a rule for locks among the suggestions would take. */
static void except_data(GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++) {
        Suggestion *data = g_ptr_array_index(list, i);
        for (guint l = 0; data->kind == SUGGESTION_PLAIN && l < list->len; l++) {
            const Suggestion *lock = g_ptr_array_index(list, l);
            if (lock->kind == SUGGESTION_LOCK &&
                fnmatch(lock->pattern, data->pattern, FNM_PATHNAME | FNM_NOESCAPE) == 0)
                data->kind = SUGGESTION_DATA;
        }
    }
}

/* --- why --- */

static void tell(GString *out, gint64 count, const char *what)
{
    if (count == 1)
        g_string_append_printf(out, "; %s once", what);
    else if (count)
        g_string_append_printf(out, "; %s %" G_GINT64_FORMAT " times", what, count);
}

static void tell_makers(GString *out, const Suggestion *suggestion)
{
    JsonObject *first = json_array_get_object_element(suggestion->seen, 0);
    JsonNode *node = record_node(first, "programs");
    JsonArray *programs = node ? json_node_get_array(node) : NULL;
    gint64 makers = sum(suggestion, "makers");
    g_string_append_printf(out, "made %" G_GINT64_FORMAT " time%s", sum(suggestion, "made"),
                           sum(suggestion, "made") == 1 ? "" : "s");
    for (guint i = 0; programs && i < json_array_get_length(programs); i++) {
        g_autofree char *name = quote_name(json_array_get_string_element(programs, i));
        g_string_append_printf(out, "%s%s", i ? ", " : " by ", name);
    }
    if (makers > 1)
        g_string_append_printf(out, " (%" G_GINT64_FORMAT " processes%s)", makers,
                               makers >= 8 ? " or more" : "");
}

static char *because(const Suggestion *suggestion)
{
    GString *out = g_string_new(NULL);
    gint64 held = 0;
    tell_makers(out, suggestion);
    tell(out, sum(suggestion, "released"), "removed by its maker");
    tell(out, sum(suggestion, "removed_by_others"),
         "removed by another process while its maker lived");
    tell(out, sum(suggestion, "renamed"), "renamed");
    tell(out, sum(suggestion, "left_by_killed"), "left by a killed maker");
    tell(out, sum(suggestion, "left_by_exited"), "kept when its maker had ended");
    tell(out, sum(suggestion, "left_by_unknown"),
         "left by a maker of which it is not known how it ended");
    tell(out, sum(suggestion, "removed_later"), "removed after its maker's end");
    tell(out, sum(suggestion, "read_by_others"), "opened by others");
    if (sum(suggestion, "standing"))
        g_string_append_printf(out, "; %" G_GINT64_FORMAT " there now",
                               sum(suggestion, "standing"));
    for (guint i = 0; i < json_array_get_length(suggestion->seen); i++)
        held = MAX(held,
                   record_int(json_array_get_object_element(suggestion->seen, i), "held_ms_max"));
    if (held >= 1000) {
        g_autofree char *span = table_span(held);
        g_string_append_printf(out, "; held for %s at most", span);
    }
    return g_string_free(out, FALSE);
}

GPtrArray *suggestion_list(JsonArray *records, const char *top)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(suggestion_free);
    for (guint i = 0; i < json_array_get_length(records); i++) {
        JsonObject *record = json_array_get_object_element(records, i);
        Suggestion *suggestion = g_new0(Suggestion, 1);
        suggestion->kind = kind_of(record);
        suggestion->pattern = pattern_of(record, top);
        suggestion->seen = json_array_new();
        json_array_add_object_element(suggestion->seen, json_object_ref(record));
        add(list, suggestion);
    }
    except_data(list);
    for (guint i = 0; i < list->len; i++) {
        Suggestion *suggestion = g_ptr_array_index(list, i);
        suggestion->because = because(suggestion);
    }
    return list;
}
