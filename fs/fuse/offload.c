#include "fuse/request.h"

void offload(fuse_req_t req, const OffloadJob *job)
{
    OffloadJob *copy = g_memdup2(job, sizeof *job);
    copy->req = req;
    if (!g_thread_pool_push(request_server(req)->pool, copy, NULL))
        log_warning("cannot start another thread for slow requests: they wait for one another");
}

void offload_run(gpointer data, gpointer user)
{
    OffloadJob *job = data;
    job->run(job);
    g_free(job);
}
