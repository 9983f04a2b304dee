#include "base/crash-point.h"
#include "fuse/request.h"

/* The caller waits for our answer, so its groups can be asked for. */
static void run_as_caller(OffloadJob *job)
{
    Creds creds;
    creds_init_thread(&creds, &request_engine(job->req)->serving_creds);
    if (creds_as_caller(&creds, &job->caller) == 0)
        creds_add_groups(&creds, &job->caller);
    job->run(job);
    creds_as_daemon(&creds);
}

static void run(OffloadJob *job)
{
    if (job->changes)
        run_as_caller(job);
    else
        job->run(job);
}

void offload(fuse_req_t req, const OffloadJob *job)
{
    FuseServer *server = request_server(req);
    OffloadJob *own = g_memdup2(job, sizeof *job);
    own->req = req;
    RequestStore *requests = server->requests;
    bool alone =
        server->inline_jobs || request_store_is_suspect(requests, request_store_unique(requests));
    int copy = alone ? -1 : request_store_copy(requests);
    if (copy < 0) {
        creds_as_daemon(&server->engine->serving_creds); /* as the job will leave this thread */
        CRASH_POINT("offload-running");
        run(own);
        g_free(own);
        return;
    }
    own->copy = (unsigned)copy;
    CRASH_POINT("offloaded");
    if (!g_thread_pool_push(server->pool, own, NULL))
        log_warning("cannot start another thread for slow requests: they wait for one another");
}

void offload_run(gpointer data, gpointer user)
{
    OffloadJob *job = data;
    FuseServer *server = user;
    unsigned copy = job->copy;
    request_store_set_running(server->requests, copy);
    CRASH_POINT("offload-running");
    run(job);
    CRASH_POINT("offload-answered");
    request_store_drop(server->requests, copy);
    g_free(job);
}
