/* What is known of a request besides libh2o's own: kept in the request's pool, for as long as it.
 *
 * All calls from the request's loop.
 */
#ifndef SERVICE_REQUEST_H
#define SERVICE_REQUEST_H

#include <h2o.h>

struct request {
    unsigned route; /* whose name is in the worker's `routes`; 0 until a route is found */
};

/* What is kept of this request; made by the first call. */
struct request *request_of(h2o_req_t *req);

/* The name of the request's route: a fixed word, never the path itself. */
const char *request_route(h2o_req_t *req);

#endif
