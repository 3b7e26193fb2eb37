#include "server/http/request.h"

#include "server/ops/log.h"

#include <stdio.h>
#include <string.h>

static atomic_bool access_log;

/* libh2o has a list of environment variables for each request, which only its extensions use. Here
 * its only entry points to the struct request. */
struct kept {
    h2o_iovec_t entry;
    struct request request;
};

/* Creates the struct, with the request's trace. */
static struct request *keep(h2o_req_t *req)
{
    struct kept *kept = h2o_mem_alloc_pool(&req->pool, sizeof(*kept));
    h2o_iovec_t parent = request_header(req, "traceparent");

    *kept = (struct kept){.entry = {(char *)&kept->request, sizeof(kept->request)}};
    kept->request.begun_us = monotonic_ns() / 1000;
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

h2o_iovec_t request_query(const h2o_req_t *req)
{
    if (req->query_at == SIZE_MAX)
        return h2o_iovec_init(H2O_STRLIT(""));
    return h2o_iovec_init(req->path.base + req->query_at + 1, req->path.len - req->query_at - 1);
}

bool method_is(const h2o_req_t *req, const char *method)
{
    return h2o_memis(req->method.base, req->method.len, method, strlen(method));
}

h2o_iovec_t request_header(h2o_req_t *req, const char *lower_case_name)
{
    size_t name_len = strlen(lower_case_name);
    ssize_t at = h2o_find_header_by_str(&req->headers, lower_case_name, name_len, -1);
    h2o_iovec_t value = {NULL, 0};

    for (; at >= 0; at = h2o_find_header_by_str(&req->headers, lower_case_name, name_len, at)) {
        h2o_iovec_t one = req->headers.entries[at].value;
        value = value.base == NULL
                    ? one
                    : h2o_concat(&req->pool, value, h2o_iovec_init(H2O_STRLIT(", ")), one);
    }
    return value;
}

/* --- the end of a request --- */

void access_log_switch(bool on)
{
    atomic_store(&access_log, on);
}

bool access_log_is_on(void)
{
    return atomic_load_explicit(&access_log, memory_order_relaxed);
}

/* Counts a request by route and status. A request has no status, and is not counted, if its
 * connection ended before a response began. */
static void count(h2o_req_t *req)
{
    int at = req->res.status - METRICS_FIRST_STATUS;

    if (at >= 0 && at < METRICS_N_STATUSES)
        metric_add(&worker_of(req)->metrics->requests[request_of(req)->route][at], 1);
}

void request_end(h2o_req_t *req)
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
