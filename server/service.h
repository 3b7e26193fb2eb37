/* The frame of both services. A program provides its keys and its handlers; service_main does the
 * rest: command line, configuration, listeners, workers, admin listener, signals, graceful stop.
 *
 * The admin listener answers GET /live (no event loop is stalled), GET /ready (the service can do
 * its work now; if not, why) and GET /metrics for Prometheus. SIGTERM stops gracefully after the
 * drain time; SIGINT or a second SIGTERM skips the drain time. SIGUSR1 switches the access log on
 * and off.
 */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "server/loop/worker.h"
#include "server/ops/config.h"

/* A program. */
struct service {
    const char *name;
    const char *summary; /* for --help */
    const struct config_key *keys;
    size_t config_size;
    size_t max_body_bytes; /* of a request */
    /* What each worker counts besides struct service_metrics, which its struct begins with. */
    const struct metric *metrics;
    size_t metrics_size;

    /* Looks over a configuration that is right key by key, once, before any thread: what depends on
     * several keys, or is costly. Returns 0, or -1 with a sentence in `error`. May be NULL. */
    int (*check)(void *config, char *error, size_t error_size);
    /* Frees what check made. May be NULL. */
    void (*release)(void *config);
    /* Makes the worker's `app`, in its loop's thread, before any request. Returns 0 or -1, after
     * logging why. */
    int (*start)(struct worker *worker, const void *config);
    /* Handles a request, as h2o_handler_t's on_req. */
    int (*handle)(h2o_handler_t *self, h2o_req_t *req);
    /* The names of the routes that it knows (request.h), ending with NULL; the first is for what is
     * none of them. Fixed words, at most METRICS_MAX_ROUTES: they stand in logs and metrics. */
    const char *const *routes;
    /* Frees the worker's `app`: no request is pending any more, or the process is about to end. */
    void (*stop)(struct worker *worker);
};

/* Runs the program; returns its exit status: 0 after an orderly stop, 1 when it could not go on, 2
 * for a wrong command line or configuration. */
int service_main(const struct service *service, int argc, char **argv);

/* Says why the process cannot do its work now, as static text, or NULL when it can. One worker that can
 * would be enough to do work, but connections spread over all of them, so each must. Any thread. */
const char *service_why_not_ready(void);

/* Lets the whole process stop, in an orderly way, with exit status 1: for what no waiting mends.
 * The reason has been logged. Any thread. */
void service_give_up(void);

#endif
