#include "store/source.h"

#include "base/fd.h"
#include "store/act.h"

#include <glib.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

/* Extended attributes. */

#define XATTR_PATH_SIZE (REACH_PROC_PATH + 256)

/* There are no *at() calls for extended attributes; a path through /proc/self/fd is one, and the
 * l-calls do not follow its last component when that is a name. */
typedef struct {
    char path[XATTR_PATH_SIZE];
    int own;     /* the descriptor that the path ends at, if it was opened for that */
    bool follow; /* the path ends at a descriptor */
} XattrPath;

static int xattr_path(Store *store, Node *node, bool directly, XattrPath *x)
{
    Place place;
    int r = reach_place(store, node, &place);
    if (r < 0)
        return r;
    if ((directly || !store->in_place) && place.name[0]) {
        r = x->own = reach_open_path(store, node);
        if (r < 0)
            return r;
        place = (Place){r, ""};
    }
    x->follow = place.name[0] == '\0';
    snprintf(x->path, XATTR_PATH_SIZE, x->follow ? "/proc/self/fd/%d%s" : "/proc/self/fd/%d/%s",
             place.fd, place.name);
    return 0;
}

typedef ssize_t XattrCall(const XattrPath *x, void *args);

typedef struct {
    const char *name;
    void *value;
    const void *new_value;
    size_t size;
    int flags;
} XattrArgs;

static ssize_t call_get(const XattrPath *x, void *args)
{
    const XattrArgs *a = args;
    return x->follow ? getxattr(x->path, a->name, a->value, a->size)
                     : lgetxattr(x->path, a->name, a->value, a->size);
}

static ssize_t call_list(const XattrPath *x, void *args)
{
    const XattrArgs *a = args;
    return x->follow ? listxattr(x->path, a->value, a->size)
                     : llistxattr(x->path, a->value, a->size);
}

static ssize_t call_set(const XattrPath *x, void *args)
{
    const XattrArgs *a = args;
    return x->follow ? setxattr(x->path, a->name, a->new_value, a->size, a->flags)
                     : lsetxattr(x->path, a->name, a->new_value, a->size, a->flags);
}

static ssize_t call_remove(const XattrPath *x, void *args)
{
    const XattrArgs *a = args;
    return x->follow ? removexattr(x->path, a->name) : lremovexattr(x->path, a->name);
}

/* The directory that the file is known in may be closed to the caller: then by a descriptor. */
static ssize_t with_xattr_path(Store *store, const Caller *caller, Node *node, XattrCall *call,
                               void *args)
{
    /* An access control list set by somebody who is not of the group drops the set-group-id bit. */
    bool groups = call == call_set && (node->mode & S_ISGID);
    ssize_t n = 0;
    int r = -EACCES;
    for (int directly = 0; directly < 2 && r == -EACCES; directly++) {
        XattrPath x = {.own = -1};
        r = xattr_path(store, node, directly, &x);
        if (r == 0)
            AS_CALLER_WITH_GROUPS(store->creds, caller, groups, r, n = call(&x, args));
        fd_close(x.own);
        if (x.follow)
            break;
    }
    return r < 0 ? r : n;
}

ssize_t source_getxattr(Store *store, const Caller *caller, Node *node, const char *name,
                        void *value, size_t size)
{
    XattrArgs args = {.name = name, .value = value, .size = size};
    Caller who = creds_reader(store->creds, caller);
    return with_xattr_path(store, &who, node, call_get, &args);
}

/* The source lists these to whoever may read them, and that is the daemon. */
static size_t drop_trusted(char *list, size_t size)
{
    static const char prefix[] = "trusted.";
    size_t kept = 0;
    for (size_t at = 0; at < size;) {
        size_t length = strlen(list + at) + 1;
        if (strncmp(list + at, prefix, sizeof prefix - 1) != 0) {
            memmove(list + kept, list + at, length);
            kept += length;
        }
        at += length;
    }
    return kept;
}

ssize_t source_listxattr(Store *store, const Caller *caller, Node *node, char *list, size_t size)
{
    XattrArgs args = {.value = list, .size = size};
    Caller who = creds_reader(store->creds, caller);
    if (caller->uid == 0)
        return with_xattr_path(store, &who, node, call_list, &args);
    g_autofree char *all = g_malloc(XATTR_LIST_MAX);
    args = (XattrArgs){.value = all, .size = XATTR_LIST_MAX};
    ssize_t n = with_xattr_path(store, &who, node, call_list, &args);
    if (n <= 0)
        return n;
    size_t kept = drop_trusted(all, (size_t)n);
    if (size == 0)
        return (ssize_t)kept;
    if (kept > size)
        return -ERANGE;
    memcpy(list, all, kept);
    return (ssize_t)kept;
}

/* As the daemon: only whether there is one. */
static bool xattr_exists(Store *store, Node *node, const char *name)
{
    Caller self = creds_daemon(store->creds);
    return source_getxattr(store, &self, node, name, NULL, 0) >= 0;
}

int source_setxattr(Store *store, const Caller *caller, Node *node, const char *name,
                    const void *value, size_t size, int flags)
{
    int r;
    if (act_begin_xattr(store, node, name, xattr_exists(store, node, name), &r, &flags))
        return r;
    XattrArgs args = {.name = name, .new_value = value, .size = size, .flags = flags};
    return act_done(store, (int)with_xattr_path(store, caller, node, call_set, &args));
}

int source_removexattr(Store *store, const Caller *caller, Node *node, const char *name)
{
    int r;
    if (act_begin_xattr(store, node, name, xattr_exists(store, node, name), &r, NULL))
        return r;
    XattrArgs args = {.name = name};
    return act_done(store, (int)with_xattr_path(store, caller, node, call_remove, &args));
}
