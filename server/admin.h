/* The admin listener: GET /live, /ready and /metrics, with any query, about all workers of the
 * process. It answers OPTIONS of any target, HAProxy's default probe, with 204 and Allow. The main
 * thread serves it, so it still answers while a worker's loop is stuck.
 */
#ifndef SERVER_ADMIN_H
#define SERVER_ADMIN_H

#include "server/http/http_server.h"

/* The data that the admin listener shows; the `app` of its worker. */
struct admin {
    const struct service_config *settings;
    const struct http_server *servers; /* one for each worker */
    const void **metrics;              /* of each worker: the program's struct */
    size_t n_workers;
    const char *const *routes;            /* the program's */
    const struct metric *program_metrics; /* the table of the program's own metrics */
    /* Returns why the process cannot do its work now (a static text), or NULL if it can. */
    const char *(*why_not_ready)(void);
    int64_t started_s; /* seconds since 1970 */
};

/* The names of the listener's routes, ending with NULL. */
extern const char *const admin_routes[];

/* Handles a request, as h2o_handler_t's on_req. */
int admin_handle(h2o_handler_t *self, h2o_req_t *req);

#endif
