#include "server/http/access_log.h"

#include "server/http/request.h"
#include "server/ops/log.h"

#include <stdio.h>

static atomic_bool is_on;

void access_log_switch(bool on)
{
    atomic_store(&is_on, on);
}

bool access_log_is_on(void)
{
    return atomic_load_explicit(&is_on, memory_order_relaxed);
}

/* Counts a request by route and status. A request has no status, and is not counted, if its
 * connection ended before a response began. */
static void count(h2o_req_t *req)
{
    int at = req->res.status - METRICS_FIRST_STATUS;

    if (at >= 0 && at < METRICS_N_STATUSES)
        metric_add(&worker_of(req)->metrics->requests[request_of(req)->route][at], 1);
}

void access_log_request(h2o_req_t *req)
{
    struct worker *worker = worker_of(req);
    const struct request *request;
    char method[32];

    count(req);
    if (!access_log_is_on() || ++worker->unlogged < (uint64_t)worker->settings->access_log_sample)
        return;
    worker->unlogged = 0;
    request = request_of(req);
    snprintf(method, sizeof(method), "%.*s", (int)req->method.len, req->method.base);
    log_each(LOG_LEVEL_INFO, "request",
             "route=%s method=%s status=%d duration_us=%llu bytes=%zu trace=%s", request_route(req),
             LOG_QUOTED(method), req->res.status,
             (unsigned long long)(monotonic_ns() / 1000 - request->begun_us), req->bytes_sent,
             request->trace.id);
}
