/* What is known of a request besides libh2o's own: kept in the request's pool, for as long as it;
 * and the access log, which tells it at the request's end.
 *
 * A line of the access log has the route, the method, the status, how long it took, how much was
 * sent, and the trace; nothing of the path, the query, the headers, or who asked. It is written for
 * one request in `access_log_sample` of each worker, while it is switched on: by the configuration
 * (`access_log`), or at run time.
 *
 * All calls from the request's loop, unless said otherwise.
 */
#ifndef SERVER_HTTP_REQUEST_H
#define SERVER_HTTP_REQUEST_H

#include "server/loop/worker.h"
#include "server/ops/trace.h"

#include <h2o.h>

struct request {
    unsigned route; /* whose name is in the worker's `routes`; 0 until a route is found */
    struct trace trace;
    uint64_t begun_us; /* on CLOCK_MONOTONIC, when it was first asked for what is kept of it */
};

/* What is kept of this request; made by the first call, which takes over its trace or begins one. */
struct request *request_of(h2o_req_t *req);

/* The name of its route. */
const char *request_route(h2o_req_t *req);

/* Its trace's id. */
const char *request_trace(h2o_req_t *req);

/* Its query, without the question mark; "" when there is none. It belongs to the request. */
h2o_iovec_t request_query(const h2o_req_t *req);

/* Counts the request, and writes its line in the access log, if it is to have one: an h2o_logger_t's log_access,
 * which libh2o calls when the request is over, whoever answered it. */
void request_log(h2o_logger_t *self, h2o_req_t *req);

/* Switches the access log on or off. Any thread. */
void request_log_switch(bool on);

/* Whether it is on. Any thread. */
bool request_log_is_on(void);

#endif
