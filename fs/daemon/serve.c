#include "daemon/serve.h"

#include "base/clock.h"
#include "base/fd.h"
#include "daemon/background.h"
#include "daemon/end-signal.h"
#include "daemon/keeper.h"
#include "daemon/mount.h"
#include "daemon/notify.h"
#include "daemon/resume.h"
#include "daemon/service.h"
#include "daemon/state-file.h"
#include "daemon/through-mount.h"
#include "daemon/upgrade.h"
#include "engine/layout.h"
#include "engine/reaper.h"
#include "engine/recover.h"
#include "fuse/request-store.h"
#include "fuse/server.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Without progress for so long, a worker is replaced. */
#define HANG_SECONDS 10

/* How often the keeper looks at the worker's progress, and tells of it while the manager waits. */
#define LOOK_NS CLOCK_NS_PER_S
#define PINGS 2

/* There may be room for the state again a moment later. */
#define CONVERT_TRIES 20
#define CONVERT_PAUSE_NS (CLOCK_NS_PER_S / 4)

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
    StateFile file;
    int state;           /* the file; the engine takes the worker's view of it */
    const char *resumed; /* why, where another program began this mount */
    GArray *inherited;   /* from it */
    Upgrade upgrade;
    ControlUpgrade ask_upgrade;
    int64_t watchdog_ns; /* the manager's patience; 0: for ever */
    int64_t told_alive_ns;
    const JournalShared *watched; /* what the keeper sees of the worker's progress, */
    const RequestStore *requests; /* and of its work */
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
    const Options *options = lockfs->options;
    EngineOptions engine = options->engine;
    engine.shared = lockfs->source.network;
    int r = engine_init(&lockfs->engine, fd_take(&lockfs->source.root),
                        options->in_place || !options->source, &engine, options->rules,
                        lockfs->proc, lockfs->helpers, lockfs->state);
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
        .upgrade = &lockfs->ask_upgrade,
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

static bool is_not_leftover(void *ctx, int fd)
{
    const KeeperStart *start = ctx;
    for (guint i = 0; i < start->leftovers->len; i++)
        if (g_array_index(start->leftovers, int, i) == fd)
            return false;
    return true;
}

static bool take_over(Lockfs *lockfs, const KeeperStart *start)
{
    EngineRecovery recovery;
    FuseTakeover takeover;
    if (engine_recover(&lockfs->engine, is_not_leftover, (void *)start, &recovery) < 0)
        return false;
    if (!start_server(lockfs))
        return false;
    __atomic_store_n(&lockfs->engine.journal.shared->inside, 0, __ATOMIC_RELEASE);
    fuse_server_take_over(lockfs->server, recovery.phase, &takeover);
    unsigned lost = engine_recover_rest(&lockfs->engine);
    if (lost)
        log_warning("%s: %u open files could not be opened again", lockfs->options->mountpoint,
                    lost);
    Takeover told = {start->why, start->signal, clock_boot_ns() - start->died_ns, recovery.claims};
    engine_taken_over(&lockfs->engine, &told);
    const LogField fields[] = {{"LOCKFS_EVENT", "takeover"}, {"LOCKFS_REASON", start->cause}};
    log_with_fields(
        LOG_LEVEL_INFO, fields, 2,
        "%s: another worker took over (%s): %.1f ms, %u claims and %u open files carried "
        "over, %u requests run again%s",
        lockfs->options->mountpoint, start->cause,
        (double)told.duration_ns / (double)CLOCK_NS_PER_MS, recovery.claims, recovery.handles,
        takeover.again, takeover.resent ? ", the kernel resends" : "");
    upgrade_served(lockfs->state);
    return true;
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

/* Claims of the last mount. A worker that dies in the middle leaves the file to the next. */
static void adopt_left(Lockfs *lockfs)
{
    StateFile *file = &lockfs->file;
    EngineAdoption adoption = {0};
    g_autofree ResumeHeader *header = g_new0(ResumeHeader, 1);
    if (file->left < 0)
        return;
    if (access(file->left_path, F_OK) == 0 && resume_read_left(file->left, header)) {
        int r = layout_convert(file->left, header->version);
        if (r == 0)
            r = engine_adopt(&lockfs->engine, file->left, resume_world(header, lockfs->proc),
                             &adoption);
        if (r < 0)
            log_warning("%s: the state that an earlier mount left is damaged: its locks are owned "
                        "by nobody now",
                        lockfs->options->mountpoint);
        else if (adoption.held + adoption.dead + adoption.left)
            log_info("%s: of the locks of the last mount %u are held on, %u had an owner that is "
                     "gone, %u are not taken up",
                     lockfs->options->mountpoint, adoption.held, adoption.dead, adoption.left);
    }
    state_file_drop_left(file);
}

/* In the worker, whose keeper was killed: it takes that one's place. */
static void become_keeper(void *ctx)
{
    Lockfs *lockfs = ctx;
    log_warning("%s: the keeper is gone: the worker takes its place", lockfs->options->mountpoint);
    /* Its thread may be in a call on our own mount, from which only an answer of the serving one
     * frees it. An exec ends that one first and then waits for the other: for ever. */
    reaper_stop(&lockfs->engine);
    engine_lock(&lockfs->engine); /* no descriptor comes or goes */
    int r = resume_exec(lockfs->state, false);
    engine_unlock(&lockfs->engine);
    reaper_start(&lockfs->engine);
    log_error("%s: cannot start a new keeper: %s; the mount ends with this process",
              lockfs->options->mountpoint, strerror(-r));
}

static bool may_replace(void *ctx)
{
    const Lockfs *lockfs = ctx;
    return upgrade_is_possible(lockfs->state);
}

static void replace(void *ctx)
{
    const Lockfs *lockfs = ctx;
    upgrade_start(lockfs->state);
}

static int start_end_signal(Lockfs *lockfs, const KeeperStart *start, EndSignal **end)
{
    EndSignalParent parent = {start->keeper, become_keeper, lockfs};
    return end_signal_new(&lockfs->engine, lockfs->server, lockfs->options,
                          start->keeper ? &parent : NULL, end);
}

/* In the worker. */
static int serve(void *ctx, const KeeperStart *start)
{
    Lockfs *lockfs = ctx;
    EndSignal *end = NULL;
    resume_note_worker(lockfs->state, lockfs->proc);
    lockfs->upgrade = (Upgrade){lockfs->state, start->keeper};
    lockfs->ask_upgrade = (ControlUpgrade){upgrade_ask, upgrade_result, &lockfs->upgrade};
    bool ready =
        start_engine(lockfs) && (start->number ? take_over(lockfs, start) : start_server(lockfs));
    if (ready) {
        lockfs->through.inside = &lockfs->engine.journal.shared->inside;
        adopt_left(lockfs);
    }
    if (!ready || start_end_signal(lockfs, start, &end) < 0) {
        mount_detach(lockfs->options->mountpoint);
        return 1;
    }
    int status = run(lockfs, end);
    if (lockfs->engine.claims.claims.live == 0)
        state_file_remove(&lockfs->file);
    fuse_server_free(lockfs->server);
    lockfs->fd = -1; /* went with libfuse's session */
    engine_done(&lockfs->engine);
    return status;
}

/* In the keeper, from the state that both have mapped. */
static bool is_stuck(void *ctx, uint64_t *seen)
{
    const Lockfs *lockfs = ctx;
    const JournalShared *shared = lockfs->watched;
    uint64_t stamp = __atomic_load_n(&shared->stamp, __ATOMIC_RELAXED);
    bool moved = stamp != *seen;
    *seen = stamp;
    struct pollfd waiting = {.fd = lockfs->fd, .events = POLLIN};
    /* A request lies in the buffer from the kernel's read on, before anything is done with it. */
    bool at_work = __atomic_load_n(&shared->phase, __ATOMIC_RELAXED) != JOURNAL_IDLE ||
                   request_store_pending(lockfs->requests) > 0;
    return !moved && (at_work || (poll(&waiting, 1, 0) == 1 && waiting.revents & POLLIN));
}

static uint32_t answers(void *ctx)
{
    const Lockfs *lockfs = ctx;
    return __atomic_load_n(&lockfs->watched->answers, __ATOMIC_RELAXED);
}

static unsigned hang_limit(void)
{
    const char *text = getenv("LOCKFS_HANG_SECONDS");
    int seconds = text ? atoi(text) : 0;
    return seconds > 0 ? (unsigned)seconds : HANG_SECONDS;
}

static bool is_known(const Lockfs *lockfs, int fd)
{
    return fd <= STDERR_FILENO || fd == lockfs->fd || fd == lockfs->state ||
           fd == lockfs->source.root || fd == lockfs->source.lock;
}

/* What another program left open is the dead worker's, except what the header names. */
static GArray *own_descriptors(const Lockfs *lockfs)
{
    GArray *own = keeper_descriptors();
    for (guint i = 0; lockfs->inherited && i < lockfs->inherited->len; i++) {
        int fd = g_array_index(lockfs->inherited, int, i);
        for (guint n = own->len; n-- > 0 && !is_known(lockfs, fd);)
            if (g_array_index(own, int, n) == fd)
                g_array_remove_index_fast(own, n);
    }
    return own;
}

/* In the keeper, for the service manager. */
static void tell(void *ctx, KeeperNews news, const KeeperStart *start)
{
    Lockfs *lockfs = ctx;
    int64_t now = clock_boot_ns();
    switch (news) {
    case KEEPER_NEWS_ALIVE:
        if (lockfs->watchdog_ns && now - lockfs->told_alive_ns >= lockfs->watchdog_ns / PINGS) {
            notify_send("WATCHDOG=1");
            lockfs->told_alive_ns = now;
        }
        break;
    case KEEPER_NEWS_REPLACED:
        service_replaced(lockfs->options->mountpoint, start->number, start->cause);
        break;
    case KEEPER_NEWS_ENDING:
        service_ending();
        break;
    }
}

static int serve_by_workers(Lockfs *lockfs)
{
    service_ready(&(ServiceFds){lockfs->fd, lockfs->state, lockfs->source.lock},
                  lockfs->options->mountpoint, lockfs->resumed != NULL);
    lockfs->watchdog_ns = notify_watchdog_ns();
    Keeper keeper = {.run = serve,
                     .is_stuck = is_stuck,
                     .answers = answers,
                     .may_replace = may_replace,
                     .replace = replace,
                     .tell = tell,
                     .inside = &lockfs->watched->inside,
                     .ctx = lockfs,
                     .resumed = lockfs->resumed,
                     .own = own_descriptors(lockfs),
                     .hang_limit = hang_limit(),
                     .look_ns = LOOK_NS};
    if (lockfs->watchdog_ns)
        keeper.look_ns = MIN(LOOK_NS, lockfs->watchdog_ns / (2 * PINGS));
    int status = keeper_run(&keeper);
    service_ended(lockfs->source.lock);
    g_array_free(keeper.own, TRUE);
    return status;
}

static bool write_header(Lockfs *lockfs)
{
    const Options *options = lockfs->options;
    g_autofree ResumeHeader *header = g_new0(ResumeHeader, 1);
    *header = (ResumeHeader){
        .connection = lockfs->fd,
        .root = lockfs->source.root,
        .lock = lockfs->source.lock,
        .network = lockfs->source.network,
        .in_place = options->in_place,
        .device = lockfs->through.dev,
    };
    g_strlcpy(header->boot_id, proc_boot_id(lockfs->proc), sizeof header->boot_id);
    g_strlcpy(header->mountpoint, options->mountpoint, PATH_MAX);
    g_strlcpy(header->source, options->source ? options->source : "", PATH_MAX);
    g_strlcpy(header->path, lockfs->file.path ? lockfs->file.path : "", PATH_MAX);
    g_strlcpy(header->scratch, lockfs->source.scratch ? lockfs->source.scratch : "", PATH_MAX);
    int r = resume_write(lockfs->state, lockfs->proc, header);
    if (r < 0)
        log_error("cannot start: no memory for the state: %s", strerror(-r));
    return r == 0;
}

static int serve_attached(Lockfs *lockfs, int notify)
{
    lockfs->through.mountpoint = lockfs->options->mountpoint;
    note_device(lockfs);
    if (!write_header(lockfs)) {
        mount_detach(lockfs->options->mountpoint);
        return 1;
    }
    if (notify >= 0)
        background_ready(notify);
    /* One process for all, for tools that cannot follow a worker. */
    if (g_strcmp0(getenv("LOCKFS_WORKER"), "inline") == 0)
        return serve(lockfs, &(KeeperStart){0});
    return serve_by_workers(lockfs);
}

static bool watch_state(Lockfs *lockfs)
{
    void *watched = mmap(NULL, sizeof(JournalShared), PROT_READ, MAP_SHARED, lockfs->state, 0);
    int r = watched == MAP_FAILED ? -errno : request_store_watch(lockfs->state, &lockfs->requests);
    if (r < 0)
        log_error("cannot start: no memory for the state: %s", strerror(-r));
    else
        lockfs->watched = watched;
    return r == 0;
}

static bool open_state(Lockfs *lockfs)
{
    int r = state_file_new(lockfs->options->source ? lockfs->source.lock : -1, &lockfs->file);
    lockfs->state = lockfs->file.fd;
    if (r == 0 && fallocate(lockfs->state, 0, 0, sizeof(JournalShared)) != 0)
        r = -errno;
    if (r == 0)
        r = layout_write(lockfs->state, resume_version());
    if (r == 0)
        return watch_state(lockfs);
    log_error("cannot start: no room for the state%s%s: %s", lockfs->file.path ? " in " : "",
              lockfs->file.path ? lockfs->file.path : "", strerror(-r));
    return false;
}

static void open_log(const Options *options, LogTarget target)
{
    if (options->debug)
        log_set_level(LOG_LEVEL_DEBUG);
    log_set_mount(options->mountpoint);
    log_set_target(target);
}

int serve_mount(const Options *options)
{
    Lockfs lockfs = {.options = options,
                     .fd = -1,
                     .state = -1,
                     .file = STATE_FILE_NONE,
                     .source = {.root = -1, .lock = -1}};
    int status = 1;
    open_log(options, LOG_TO_STDERR); /* until it is in the background */
    if (!mount_open_source(options, &lockfs.source) || !open_proc(&lockfs)) {
        mount_close_source(&lockfs.source);
        return status;
    }
    if (!options->foreground)
        notify_disown();
    int notify = options->foreground ? -1 : background_start();
    lockfs.helpers = helper_list_new_shipped();
    if (open_state(&lockfs)) {
        end_signal_hold();
        lockfs.fd = mount_attach(options);
        if (lockfs.fd >= 0)
            status = serve_attached(&lockfs, notify);
        else
            state_file_give_back(&lockfs.file);
    }
    state_file_clear(&lockfs.file);
    fd_close(lockfs.fd);
    helper_list_free(lockfs.helpers);
    proc_close(lockfs.proc);
    mount_close_source(&lockfs.source);
    return status;
}

/* Nobody serves meanwhile. */
static bool convert(Lockfs *lockfs, uint32_t version)
{
    int r = resume_convert(lockfs->state, version);
    for (int tries = 1; r < 0 && tries < CONVERT_TRIES; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = CONVERT_PAUSE_NS}, NULL);
        r = resume_convert(lockfs->state, version);
    }
    if (r < 0) {
        log_error("%s: cannot bring the state into this program's layout: %s; the mount ends, its "
                  "locks are taken up by the next one",
                  lockfs->options->mountpoint, strerror(-r));
        mount_detach(lockfs->options->mountpoint);
    }
    return r == 0;
}

static int serve_with_header(const Options *options, const ResumeHeader *header, Lockfs *lockfs)
{
    lockfs->options = options;
    lockfs->fd = header->connection;
    lockfs->source = (MountSource){
        .root = header->root,
        .lock = header->lock,
        .network = header->network,
        .scratch = header->scratch[0] ? g_strdup(header->scratch) : NULL,
    };
    lockfs->file = STATE_FILE_NONE;
    lockfs->file.path = header->path[0] ? g_strdup(header->path) : NULL;
    lockfs->through = (ThroughMount){.mountpoint = options->mountpoint, .dev = header->device};
    if (header->version < 2)
        note_device(lockfs);
    open_log(options, options->foreground ? LOG_TO_STDERR : LOG_TO_SYSTEM);
    lockfs->helpers = helper_list_new_shipped();
    end_signal_hold();
    if (!convert(lockfs, header->version) || !watch_state(lockfs) || !write_header(lockfs))
        return 1;
    int status = serve_by_workers(lockfs);
    helper_list_free(lockfs->helpers);
    state_file_clear(&lockfs->file);
    mount_close_source(&lockfs->source);
    return status;
}

/* Nothing is mounted a second time. */
static int go_on(int argc, char **argv, Lockfs *lockfs, const ResumeHeader *header, bool check)
{
    Options options;
    OptionsPlaces places = {header->source[0] ? header->source : NULL, header->mountpoint,
                            header->in_place};
    int status = 1;
    if (options_parse_at(argc, argv, &places, &options) == OPTIONS_RUN)
        status = check ? (resume_say_yes(), 0) : serve_with_header(&options, header, lockfs);
    lockfs->options = NULL;
    options_clear(&options);
    return status;
}

int serve_resumed(int argc, char **argv, int state, bool check)
{
    Lockfs lockfs = {
        .state = state, .resumed = "another program", .inherited = keeper_descriptors()};
    g_autofree ResumeHeader *header = g_new0(ResumeHeader, 1);
    int status = 1;
    for (guint i = 0; i < lockfs.inherited->len; i++)
        if (g_array_index(lockfs.inherited, int, i) > STDERR_FILENO)
            fcntl(g_array_index(lockfs.inherited, int, i), F_SETFD, FD_CLOEXEC);
    if (open_proc(&lockfs) && resume_read(state, lockfs.proc, header))
        status = go_on(argc, argv, &lockfs, header, check);
    proc_close(lockfs.proc);
    g_array_free(lockfs.inherited, TRUE);
    return status;
}

/* The header, with the numbers that the descriptors have here. */
static bool read_given(const ServiceFds *fds, const Lockfs *lockfs, ResumeHeader *header)
{
    if (!resume_read(fds->state, lockfs->proc, header) || engine_recover_without(fds->state) < 0)
        return false;
    header->connection = fds->connection;
    header->lock = fds->source;
    header->root = openat(fds->source, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return header->root >= 0;
}

/* What cannot be gone on with is taken away, and mounted anew by who called. */
bool serve_given(int argc, char **argv, ServiceFds *fds, int *status)
{
    Lockfs lockfs = {.state = fds->state, .resumed = "all processes that served had ended"};
    g_autofree ResumeHeader *header = g_new0(ResumeHeader, 1);
    bool gone_on = service_is_mounted(fds) && open_proc(&lockfs);
    if (gone_on && !resume_end_old(fds->state, lockfs.proc))
        *status = 1;
    else if (gone_on && read_given(fds, &lockfs, header))
        *status = go_on(argc, argv, &lockfs, header, false);
    else {
        g_autofree char *mountpoint = g_canonicalize_filename(argv[argc - 1], NULL);
        mount_clear(mountpoint);
        service_give_up(fds);
        gone_on = false;
    }
    proc_close(lockfs.proc);
    return gone_on;
}
