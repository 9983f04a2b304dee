#include "engine/infer-walk.h"

#include "base/fd.h"
#include "engine/guard.h"
#include "engine/infer.h"
#include "engine/path.h"
#include "engine/reserved.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ENTRIES_MAX 200000
#define DEPTH_MAX 64

/* What was written a moment ago is looked at once more, after that. */
#define AGAIN_MS 2500

struct InferWalk {
    Engine *engine;
    pthread_t thread;
    int stop; /* becomes readable */
    Creds creds;
    dev_t dev;
    unsigned entries;
    bool prepared;
    GArray *levels;   /* of DIR pointers, from the root down */
    GString *path;    /* of the innermost */
    GPtrArray *young; /* paths */
};

static bool is_stopped(const InferWalk *walk, int timeout_ms)
{
    struct pollfd stop = {.fd = walk->stop, .events = POLLIN};
    return poll(&stop, 1, timeout_ms) != 0;
}

static void close_stream(gpointer data)
{
    closedir(*(DIR **)data);
}

static DIR *innermost(const InferWalk *walk)
{
    return g_array_index(walk->levels, DIR *, walk->levels->len - 1);
}

/* Other filesystems below the source are left alone. */
static bool open_level(InferWalk *walk, int dir, const char *name)
{
    struct stat st;
    AUTO_FD int fd = fd_open_quietly(dir, name, O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0 || (walk->levels->len && st.st_dev != walk->dev))
        return false;
    DIR *stream = fdopendir(fd);
    if (!stream)
        return false;
    fd_take(&fd);
    walk->dev = st.st_dev;
    g_array_append_val(walk->levels, stream);
    return true;
}

static void enter(InferWalk *walk, const char *name)
{
    size_t len = walk->path->len;
    if (walk->levels->len == DEPTH_MAX || !open_level(walk, dirfd(innermost(walk)), name))
        return;
    g_string_append_printf(walk->path, "%s%s", len ? "/" : "", name);
}

static void leave(InferWalk *walk)
{
    const char *slash = strrchr(walk->path->str, '/');
    g_string_truncate(walk->path, slash ? (gsize)(slash - walk->path->str) : 0);
    g_array_set_size(walk->levels, walk->levels->len - 1);
}

static bool judge(InferWalk *walk, const char *dir_path, const char *name)
{
    Engine *engine = walk->engine;
    const Unowned *unowned = NULL;
    engine_lock_aside(engine, &walk->creds);
    Node *dir = path_reach(engine, dir_path);
    if (dir && guard_path(engine, dir) == 0)
        unowned = infer_find(engine, dir, name);
    bool again = unowned && unowned->reason == INFERENCE_FRESH;
    if (dir)
        node_unpin(&engine->store, dir);
    engine_unlock_aside(engine);
    engine_give_way(engine);
    return again;
}

typedef struct {
    const InferWalk *walk;
    const char *name;
    GString *path;
} PathRequest;

static const char *path_of(void *ctx)
{
    const PathRequest *request = ctx;
    const GString *dir = request->walk->path;
    g_string_printf(request->path, "%s%s%s", dir->str, dir->len ? "/" : "", request->name);
    return request->path->str;
}

static bool is_lock(const InferWalk *walk, const char *name, bool is_dir)
{
    PathRequest request = {walk, name, g_string_new(NULL)};
    const Rule *rule = rule_set_match(
        walk->engine->rules, name, is_dir ? RULE_TARGET_DIR : RULE_TARGET_OTHER, path_of, &request);
    g_string_free(request.path, TRUE);
    return rule && rule->kind == RULE_LOCK;
}

static bool is_directory(int dir, const struct dirent *entry)
{
    struct stat st;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void look_at(InferWalk *walk, const struct dirent *entry)
{
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || reserved_name(name))
        return;
    bool is_dir = is_directory(dirfd(innermost(walk)), entry);
    if (is_lock(walk, name, is_dir)) {
        if (!walk->prepared)
            infer_prepare(walk->engine);
        walk->prepared = true;
        if (judge(walk, walk->path->str, name))
            g_ptr_array_add(walk->young, g_build_filename(walk->path->str, name, NULL));
    } else if (is_dir) {
        enter(walk, name);
    }
}

static void walk_all(InferWalk *walk)
{
    if (!open_level(walk, walk->engine->store.root_fd, "."))
        return;
    while (walk->levels->len && walk->entries < ENTRIES_MAX && !is_stopped(walk, 0)) {
        const struct dirent *entry = readdir(innermost(walk));
        walk->entries++;
        if (entry)
            look_at(walk, entry);
        else
            leave(walk);
    }
    if (walk->entries == ENTRIES_MAX)
        log_info("looked through %d entries for locks that were left there before the mount; what "
                 "lies beyond is judged when somebody comes to it",
                 ENTRIES_MAX);
    g_array_set_size(walk->levels, 0);
}

static void look_again(const InferWalk *walk)
{
    if (walk->young->len == 0 || is_stopped(walk, AGAIN_MS))
        return;
    for (guint i = 0; i < walk->young->len; i++) {
        const char *path = g_ptr_array_index(walk->young, i);
        const char *slash = strrchr(path, '/');
        g_autofree char *dir = g_strndup(path, slash ? (gsize)(slash - path) : 0);
        judge((InferWalk *)walk, dir, slash ? slash + 1 : path);
    }
}

static void *run(void *data)
{
    InferWalk *walk = data;
    unshare(CLONE_FS); /* a umask of its own */
    creds_init_thread(&walk->creds, &walk->engine->serving_creds);
    walk_all(walk);
    look_again(walk);
    return NULL;
}

static void walk_free(InferWalk *walk)
{
    fd_close(walk->stop);
    g_array_unref(walk->levels);
    g_string_free(walk->path, TRUE);
    g_ptr_array_unref(walk->young);
    g_free(walk);
}

InferWalk *infer_walk_start(Engine *engine)
{
    if (!engine->infer || engine->recovered || engine->options.shared)
        return NULL;
    InferWalk *walk = g_new0(InferWalk, 1);
    walk->engine = engine;
    walk->levels = g_array_new(FALSE, FALSE, sizeof(DIR *));
    g_array_set_clear_func(walk->levels, close_stream);
    walk->path = g_string_new(NULL);
    walk->young = g_ptr_array_new_with_free_func(g_free);
    walk->stop = eventfd(0, EFD_CLOEXEC);
    if (walk->stop >= 0 && pthread_create(&walk->thread, NULL, run, walk) == 0)
        return walk;
    walk_free(walk);
    return NULL;
}

void infer_walk_stop(InferWalk *walk)
{
    if (!walk)
        return;
    eventfd_write(walk->stop, 1);
    pthread_join(walk->thread, NULL);
    walk_free(walk);
}
