/* A request, from its begin to its end: its route and trace, which libh2o's own struct does not
 * have, access to its query and headers, and the access log.
 *
 * A line of the access log has the route, method, status, duration, bytes sent and trace of a
 * request. It contains neither the path, the query, the headers nor the client. While the log is
 * on, each worker logs one request in `access_log_sample`. The key `access_log` and SIGUSR1 switch
 * it.
 *
 * All calls from the request's loop, unless stated otherwise.
 */
#ifndef SERVER_HTTP_REQUEST_H
#define SERVER_HTTP_REQUEST_H

#include "server/loop/worker.h"
#include "server/ops/trace.h"

#include <h2o.h>
#include <stdbool.h>

/* The data of a request, in its pool. */
struct request {
    unsigned route; /* index in the worker's `routes`; 0 until a route is found */
    struct trace trace;
    uint64_t begun_us; /* on CLOCK_MONOTONIC, when request_of was first called */
};

/* Never NULL. The first call takes over the trace of the request's traceparent, or begins a
 * trace. */
struct request *request_of(h2o_req_t *req);

/* Returns the name of the request's route, a constant. */
const char *request_route(h2o_req_t *req);

/* Returns the id of the request's trace, 32 hexadecimal digits. */
const char *request_trace(h2o_req_t *req);

/* Returns the query without the question mark, a part of the request's target; "" if there is
 * none. */
h2o_iovec_t request_query(const h2o_req_t *req);

/* Returns whether the request has this method. Methods are case-sensitive. */
bool method_is(const h2o_req_t *req, const char *method);

/* Returns the value of a header, or an empty one with a NULL base. The values of several headers of
 * this name are joined with commas (RFC 9110, 5.2), in the request's pool. */
h2o_iovec_t request_header(h2o_req_t *req, const char *lower_case_name);

/* Notes that the request has ended: counts it by route and status, and logs it if it is in the
 * sample. */
void request_end(h2o_req_t *req);

/* Switches the access log on or off. Any thread. */
void access_log_switch(bool on);

/* Returns whether the access log is on. Any thread. */
bool access_log_is_on(void);

#endif
