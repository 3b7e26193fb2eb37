/* The admin listener: GET /live, /ready and /metrics, about all workers of the process, with any query.
 * OPTIONS of anything is answered 204 with Allow: HAProxy probes with it unless told otherwise. The main
 * thread serves it, whatever the workers do.
 */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include "server/service.h"

/* What it tells about; the `app` of the main thread's worker. */
struct admin {
    const struct service *service;
    const struct service_config *settings;
    struct worker *workers;
    const void **metrics; /* of each worker, its struct */
    size_t n_workers;
    int64_t started_s; /* since 1970 */
};

/* The names of its routes. */
extern const char *const admin_routes[];

/* Handles a request. */
int admin_handle(h2o_handler_t *self, h2o_req_t *req);

#endif
