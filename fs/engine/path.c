#include "engine/path.h"

/* Unpins `dir`. */
static Node *enter(Engine *engine, Node *dir, const char *name)
{
    struct stat st;
    Node *next = NULL;
    if (source_stat_at(&engine->store, dir, name, &st) == 0 && S_ISDIR(st.st_mode))
        next = node_intern(&engine->store, dir, name, &st);
    if (next)
        node_pin(next);
    node_unpin(&engine->store, dir);
    return next;
}

Node *path_reach(Engine *engine, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    Node *at = node_root(&engine->store);
    node_pin(at);
    for (char **name = names; at && *name; name++)
        at = enter(engine, at, *name);
    return at;
}
