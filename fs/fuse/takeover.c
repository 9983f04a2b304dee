#include "base/crash-point.h"
#include "engine/recover.h"
#include "fuse/request.h"
#include "store/act.h"

#include <linux/fuse.h>
#include <string.h>
#include <unistd.h>

/* A worker that took over from one that died: the session, the interrupted request, the others. */

/* What libfuse's header of the day may not have. */
#define NOTIFY_RESEND 7
#define INIT_HAS_RESEND (1ULL << 39)

/* A request that was being served at so many deaths is held to be their cause. */
#define DEATHS 3

/* libfuse learns what was agreed on; the kernel has the answer already. */
static void feed_init(FuseServer *server)
{
    RequestStore *requests = server->requests;
    char request[sizeof requests->init];
    memcpy(request, requests->init, requests->init_size);
    struct fuse_buf buf = {.mem = request, .size = requests->init_size};
    struct fuse_init_in in = {0};
    memcpy(&in, request + sizeof(struct fuse_in_header),
           MIN(requests->init_size - sizeof(struct fuse_in_header), sizeof in));
    server->kernel_flags = in.flags;
    server->swallow = true;
    fuse_session_process_buf(server->session, &buf);
    server->swallow = false;
}

static bool kernel_resends(const FuseServer *server)
{
    struct {
        struct fuse_in_header head;
        uint32_t major, minor, readahead, flags, flags2;
    } init = {0};
    memcpy(&init, server->requests->init, MIN(server->requests->init_size, sizeof init));
    const char *without = g_getenv("LOCKFS_WITHOUT");
    if (without && strstr(without, "resend"))
        return false;
    return ((uint64_t)init.flags2 << 32 | init.flags) & INIT_HAS_RESEND;
}

static bool ask_to_resend(FuseServer *server)
{
    struct fuse_out_header notify = {.len = sizeof notify, .error = NOTIFY_RESEND};
    return kernel_resends(server) && write(server->fd, &notify, sizeof notify) >= 0;
}

/* How often a process died over the request in the buffer. */
static uint32_t count_death(FuseServer *server)
{
    JournalShared *shared = server->engine->journal.shared;
    uint64_t unique = request_store_unique(server->requests);
    if (shared->tried_unique != unique)
        shared->tries = request_store_is_suspect(server->requests, unique);
    shared->tried_unique = unique;
    return ++shared->tries;
}

static void give_up(FuseServer *server, bool again)
{
    const struct fuse_in_header *in = (const void *)server->buffer;
    Engine *engine = server->engine;
    struct fuse_out_header out = {.len = sizeof out, .error = -EIO, .unique = in->unique};
    struct iovec iov = {&out, sizeof out};
    log_error("a request (operation %u of thread %u) was being served at %d deaths in a row: it "
              "fails with EIO",
              in->opcode, in->pid, DEATHS);
    engine_request_begin(engine, in->unique, again);
    act_forsake(&engine->store);
    fuse_server_send(server, &iov, 1);
    request_store_clear_buffer(server->requests);
    engine_request_end(engine);
}

/* The answer was decided, and perhaps sent: the kernel refuses a second one. */
static void send_kept_answer(FuseServer *server, FuseTakeover *result)
{
    Journal *journal = &server->engine->journal;
    const struct fuse_in_header *in = (const void *)server->buffer;
    uint32_t size = journal->shared->reply_size;
    result->answered = size > 0 && write(server->fd, journal->reply, size) >= 0;
    if (size && request_store_pending(server->requests) && in->opcode == FUSE_INIT)
        server->requests->init_answered = 1;
    if (size) /* otherwise it comes from the pool */
        request_store_drop_own(server->requests);
    request_store_clear_buffer(server->requests);
    engine_request_begin(server->engine, 0, false);
    engine_request_end(server->engine);
}

static void finish_interrupted(FuseServer *server, JournalPhase phase, FuseTakeover *result)
{
    size_t size = request_store_pending(server->requests);
    bool again = phase == JOURNAL_SERVING;
    if (size == 0) {
        if (again) { /* it had come to its end */
            engine_request_begin(server->engine, 0, true);
            act_forsake(&server->engine->store);
            engine_request_end(server->engine);
        }
        return;
    }
    request_store_drop_own(server->requests);
    result->given_up = count_death(server) >= DEATHS;
    if (result->given_up) {
        give_up(server, again);
        return;
    }
    result->again++;
    fuse_server_serve(server, size, again);
}

/* What each copy is of; 0: nothing. A worker that died between making one and dropping the other
 * has left two of one request. */
static void list_copies(RequestStore *requests, uint64_t uniques[REQUEST_COPIES])
{
    for (unsigned i = 0; i < REQUEST_COPIES; i++) {
        const RequestCopy *copy = &requests->copies[i];
        uniques[i] = copy->size ? ((const struct fuse_in_header *)copy->bytes)->unique : 0;
        bool second = false;
        for (unsigned j = 0; j < i && uniques[i] && !second; j++)
            second = uniques[j] == uniques[i];
        if (second) {
            request_store_drop(requests, i);
            uniques[i] = 0;
        }
    }
}

/* One that waits again makes another copy of itself, which is not to be served in turn. */
static void serve_copies(FuseServer *server, FuseTakeover *result)
{
    uint64_t uniques[REQUEST_COPIES];
    list_copies(server->requests, uniques);
    for (unsigned i = 0; i < REQUEST_COPIES; i++) {
        size_t size = uniques[i] ? request_store_load(server->requests, i) : 0;
        if (size == 0)
            continue;
        fuse_server_serve(server, size, false);
        request_store_drop(server->requests, i);
        result->again++;
    }
}

void fuse_server_take_over(FuseServer *server, JournalPhase phase, FuseTakeover *result)
{
    *result = (FuseTakeover){0};
    request_store_suspect(server->requests);
    if (phase == JOURNAL_ANSWERED)
        send_kept_answer(server, result);
    if (server->requests->init_answered)
        feed_init(server);
    CRASH_POINT("takeover-fed");
    if (phase == JOURNAL_BACKGROUND)
        engine_recover_background(server->engine);
    server->inline_jobs = true;
    finish_interrupted(server, phase, result);
    CRASH_POINT("takeover-finished");
    result->resent = server->requests->init_answered && ask_to_resend(server);
    if (result->resent)
        request_store_drop_all(server->requests);
    else
        serve_copies(server, result);
    server->inline_jobs = false;
}
