#include "daemon/serve.h"

#include "base/fd.h"
#include "daemon/background.h"
#include "daemon/end-signal.h"
#include "daemon/mount.h"
#include "daemon/through-mount.h"
#include "fuse/server.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* All that belongs to one mount. */
typedef struct {
    const Options *options;
    MountSource source;
    Proc *proc;
    HelperList *helpers;
    Engine engine;
    FuseServer *server;
    ThroughMount through;
    int fd;
} Lockfs;

static bool open_proc(Lockfs *lockfs)
{
    int r = proc_open(PROC_WITHOUT_NOTHING, &lockfs->proc);
    if (r < 0) {
        log_error("/proc: %s; lockfs needs it to know its callers", strerror(-r));
        return false;
    }
    if (!proc_in_initial_pid_ns(lockfs->proc))
        log_warning("not in the initial pid namespace: callers outside of this one cannot be "
                    "identified and get ENOLCK when they take a lock; run lockfs on the host");
    return true;
}

static bool start_engine(Lockfs *lockfs)
{
    lockfs->helpers = helper_list_new_shipped();
    int r =
        engine_init(&lockfs->engine, fd_take(&lockfs->source.root),
                    lockfs->options->in_place || !lockfs->options->source, &lockfs->options->engine,
                    lockfs->options->rules, lockfs->proc, lockfs->helpers, -1);
    if (r < 0)
        log_error("cannot start: %s", strerror(-r));
    return r == 0;
}

static bool start_server(Lockfs *lockfs)
{
    FuseServerOptions options = {
        .allow_other = lockfs->options->allow_other,
        .debug = lockfs->options->debug,
        .keep_cache = lockfs->options->in_place || !lockfs->options->source,
        .flush = lockfs->source.network,
    };
    int r = fuse_server_new(&lockfs->engine, lockfs->fd, &options, &lockfs->server);
    if (r < 0)
        log_error("cannot start a FUSE session: %s", strerror(-r));
    return r == 0;
}

static void tell_removed(void *ctx, uint64_t dir_id, uint64_t node_id, const char *name)
{
    const Lockfs *lockfs = ctx;
    fuse_server_tell_removed(lockfs->server, dir_id, node_id, name);
}

static int remove_through_mount(void *ctx, const char *dir_path, const char *name, bool is_dir)
{
    Lockfs *lockfs = ctx;
    return through_mount_remove(&lockfs->through, dir_path, name, is_dir);
}

/* Which filesystem is ours. Nothing is asked of it: nobody serves it yet. */
static void note_device(Lockfs *lockfs)
{
    struct statx stx;
    if (statx(AT_FDCWD, lockfs->options->mountpoint, AT_STATX_DONT_SYNC, STATX_INO, &stx) == 0)
        lockfs->through.dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
}

static int run(Lockfs *lockfs, EndSignal *end)
{
    EngineHooks hooks = {remove_through_mount, tell_removed, lockfs};
    int r = engine_start(&lockfs->engine, &hooks);
    if (r < 0) {
        log_error("cannot start a thread: %s", strerror(-r));
        end_signal_free(end);
        return 1;
    }
    r = fuse_server_run(lockfs->server);
    if (r < 0)
        log_error("%s: the connection to the kernel broke: %s", lockfs->options->mountpoint,
                  strerror(-r));
    end_signal_free(end); /* before the engine is stopped, which it may be doing */
    engine_stop(&lockfs->engine);
    engine_clear_dead(&lockfs->engine);
    return r < 0;
}

static int serve_attached(Lockfs *lockfs, int notify)
{
    EndSignal *end = NULL;
    lockfs->through.mountpoint = lockfs->options->mountpoint;
    note_device(lockfs);
    if (!start_server(lockfs) ||
        end_signal_new(&lockfs->engine, lockfs->server, lockfs->options, &end) < 0) {
        mount_detach(lockfs->options);
        return 1;
    }
    if (notify >= 0)
        background_ready(notify);
    int status = run(lockfs, end);
    fuse_server_free(lockfs->server);
    return status;
}

int serve_mount(const Options *options)
{
    Lockfs lockfs = {.options = options, .fd = -1, .source = {.root = -1, .lock = -1}};
    int status = 1;
    if (options->debug)
        log_set_level(LOG_LEVEL_DEBUG);
    if (!mount_open_source(options, &lockfs.source) || !open_proc(&lockfs))
        return status;
    int notify = options->foreground ? -1 : background_start();
    if (start_engine(&lockfs)) {
        end_signal_hold();
        lockfs.fd = mount_attach(options);
        if (lockfs.fd >= 0)
            status = serve_attached(&lockfs, notify);
        engine_done(&lockfs.engine);
    }
    fd_close(lockfs.fd);
    helper_list_free(lockfs.helpers);
    proc_close(lockfs.proc);
    mount_close_source(&lockfs.source);
    return status;
}
