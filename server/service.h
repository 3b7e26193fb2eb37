/* The frame of both services. A program provides its configuration keys and its handler.
 * service_main does the rest: command line, configuration, listeners, workers, admin listener,
 * signals, graceful stop.
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
    /* The table of the program's own metrics, and the size of the struct that each worker has. The
     * struct begins with a struct service_metrics. */
    const struct metric *metrics;
    size_t metrics_size;

    /* Checks rules that concern several keys, and prepares data that is expensive to compute. Each
     * key is already valid. Runs once, before any thread starts. Returns 0, or -1 with a sentence
     * in `error`. May be NULL. */
    int (*check)(void *config, char *error, size_t error_size);
    /* Frees what check has allocated. May be NULL. */
    void (*release)(void *config);
    /* Creates the worker's `app`, in its loop's thread, before any request. Returns 0, or -1 after
     * logging the reason. */
    int (*start)(struct worker *worker, const void *config);
    /* Handles a request, as h2o_handler_t's on_req. */
    int (*handle)(h2o_handler_t *self, h2o_req_t *req);
    /* The names of the program's routes (request.h) in logs and metrics. At most METRICS_MAX_ROUTES
     * fixed words, then NULL. The first one is for requests without a route. */
    const char *const *routes;
    /* Frees the worker's `app`. No request is pending, or the process is about to end. */
    void (*stop)(struct worker *worker);
};

/* Runs the program. Returns its exit status: 0 after a graceful stop, 1 after a failure, 2 if the
 * command line or the configuration is invalid. */
int service_main(const struct service *service, int argc, char **argv);

/* Returns why the process cannot do its work now (a static text), or NULL if it can. All workers
 * must be able to work, because the kernel spreads connections over all of them. Any thread. */
const char *service_why_not_ready(void);

/* Stops the whole process gracefully, with exit status 1, after a failure that waiting cannot
 * repair. The caller has logged the reason. Any thread. */
void service_give_up(void);

#endif
