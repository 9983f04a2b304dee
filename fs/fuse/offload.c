#include "fuse/request.h"

void offload(fuse_req_t req, const OffloadJob *job)
{
    OffloadJob *copy = g_memdup2(job, sizeof *job);
    copy->req = req;
    if (!g_thread_pool_push(request_server(req)->pool, copy, NULL))
        log_warning("cannot start another thread for slow requests: they wait for one another");
}

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

void offload_run(gpointer data, gpointer user)
{
    OffloadJob *job = data;
    if (job->changes)
        run_as_caller(job);
    else
        job->run(job);
    g_free(job);
}
