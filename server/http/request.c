#include "server/http/request.h"

#include "server/http/answer.h"
#include "server/http/connection.h"
#include "server/ops/log.h"

#include <stdio.h>
#include <time.h>

/* libh2o keeps a list for each request, of what extensions in other languages are told, and does
 * nothing with it by itself: ours is its only entry. */
struct kept {
    h2o_iovec_t entry;
    struct request request;
};

static atomic_bool log_is_on;

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct request *keep(h2o_req_t *req)
{
    struct kept *kept = h2o_mem_alloc_pool(&req->pool, sizeof(*kept));
    h2o_iovec_t parent = request_header(req, "traceparent");

    *kept = (struct kept){.entry = {(char *)&kept->request, sizeof(kept->request)}};
    kept->request.begun_us = now_us();
    if (parent.base == NULL || !trace_take(&kept->request.trace, parent.base, parent.len))
        trace_begin(&kept->request.trace);
    req->env.entries = &kept->entry;
    req->env.size = req->env.capacity = 1;
    return &kept->request;
}

struct request *request_of(h2o_req_t *req)
{
    return req->env.size == 0 ? keep(req) : (struct request *)(void *)req->env.entries[0].base;
}

const char *request_route(h2o_req_t *req)
{
    return worker_of(req)->routes[request_of(req)->route];
}

const char *request_trace(h2o_req_t *req)
{
    return request_of(req)->trace.id;
}

/* --- the access log --- */

void request_log_switch(bool on)
{
    atomic_store(&log_is_on, on);
}

bool request_log_is_on(void)
{
    return atomic_load_explicit(&log_is_on, memory_order_relaxed);
}

/* By route and status; one whose connection ended before it was answered has none. */
static void count(h2o_req_t *req)
{
    int at = req->res.status - METRICS_FIRST_STATUS;

    if (at >= 0 && at < METRICS_N_STATUSES)
        metric_add(&worker_of(req)->metrics->requests[request_of(req)->route][at], 1);
}

void request_log(h2o_logger_t *self, h2o_req_t *req)
{
    struct worker *worker = worker_of(req);
    const struct request *request;
    char method[32];

    (void)self;
    connection_request_over(req);
    count(req);
    if (!request_log_is_on() || ++worker->unlogged < (uint64_t)worker->settings->access_log_sample)
        return;
    worker->unlogged = 0;
    request = request_of(req);
    snprintf(method, sizeof(method), "%.*s", (int)req->method.len, req->method.base);
    log_each(LOG_LEVEL_INFO, "request",
             "route=%s method=%s status=%d duration_us=%llu bytes=%zu trace=%s", request_route(req),
             LOG_QUOTED(method), req->res.status,
             (unsigned long long)(now_us() - request->begun_us), req->bytes_sent,
             request->trace.id);
}

h2o_iovec_t request_query(const h2o_req_t *req)
{
    if (req->query_at == SIZE_MAX)
        return h2o_iovec_init(H2O_STRLIT(""));
    return h2o_iovec_init(req->path.base + req->query_at + 1, req->path.len - req->query_at - 1);
}
