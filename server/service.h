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

/* The keys of struct service_config, which is the first member of the program's configuration. */
#define SERVICE_KEYS(default_listen, default_admin_listen)                                         \
    {.name = "listen",                                                                             \
     .type = CONFIG_ADDRESS,                                                                       \
     .offset = offsetof(struct service_config, listen),                                            \
     .fallback = (default_listen),                                                                 \
     .help = "Address and port of the service."},                                                  \
        {.name = "admin_listen",                                                                   \
         .type = CONFIG_ADDRESS,                                                                   \
         .offset = offsetof(struct service_config, admin_listen),                                  \
         .fallback = (default_admin_listen),                                                       \
         .help = "Address and port of /live, /ready and /metrics."},                               \
        {.name = "counter_token",                                                                  \
         .type = CONFIG_SECRET,                                                                    \
         .offset = offsetof(struct service_config, counter_token),                                 \
         .required = true,                                                                         \
         .help = "Bearer token of requests to counter-svc."},                                      \
        {.name = "max_connections",                                                                \
         .type = CONFIG_INTEGER,                                                                   \
         .offset = offsetof(struct service_config, max_connections),                               \
         .fallback = "15000",                                                                      \
         .min = 1,                                                                                 \
         .max = 1000000,                                                                           \
         .help = "Maximum of open client connections; others wait in the kernel's queue."},        \
        {.name = "drain_ms",                                                                       \
         .type = CONFIG_INTEGER,                                                                   \
         .offset = offsetof(struct service_config, drain_ms),                                      \
         .fallback = "0",                                                                          \
         .min = 0,                                                                                 \
         .max = 600000,                                                                            \
         .unit = "ms",                                                                             \
         .help = "Time after SIGTERM during which new connections are still accepted."},           \
        {.name = "shutdown_ms",                                                                    \
         .type = CONFIG_INTEGER,                                                                   \
         .offset = offsetof(struct service_config, shutdown_ms),                                   \
         .fallback = "10000",                                                                      \
         .min = 0,                                                                                 \
         .max = 600000,                                                                            \
         .unit = "ms",                                                                             \
         .help = "Time for requests in flight after the listener is closed."},                     \
        {.name = "idle_ms",                                                                        \
         .type = CONFIG_INTEGER,                                                                   \
         .offset = offsetof(struct service_config, idle_ms),                                       \
         .fallback = "60000",                                                                      \
         .min = 100,                                                                               \
         .max = 600000,                                                                            \
         .unit = "ms",                                                                             \
         .help = "Maximum idle time of a connection between requests."},                           \
        {.name = "head_ms",                                                                        \
         .type = CONFIG_INTEGER,                                                                   \
         .offset = offsetof(struct service_config, head_ms),                                       \
         .fallback = "10000",                                                                      \
         .min = 100,                                                                               \
         .max = 600000,                                                                            \
         .unit = "ms",                                                                             \
         .help = "Time to receive a request head, from its first byte; then 408."},                \
        {.name = "body_ms",                                                                        \
         .type = CONFIG_INTEGER,                                                                   \
         .offset = offsetof(struct service_config, body_ms),                                       \
         .fallback = "30000",                                                                      \
         .min = 100,                                                                               \
         .max = 600000,                                                                            \
         .unit = "ms",                                                                             \
         .help = "Time to receive a request body, after its head; then 408."},                     \
        {.name = "answer_ms",                                                                      \
         .type = CONFIG_INTEGER,                                                                   \
         .offset = offsetof(struct service_config, answer_ms),                                     \
         .fallback = "120000",                                                                     \
         .min = 1000,                                                                              \
         .max = 3600000,                                                                           \
         .unit = "ms",                                                                             \
         .help = "Time for the client to read a response; then the connection is reset."},         \
        {.name = "max_target_bytes",                                                               \
         .type = CONFIG_INTEGER,                                                                   \
         .offset = offsetof(struct service_config, max_target_bytes),                              \
         .fallback = "16384",                                                                      \
         .min = 1024,                                                                              \
         .max = 65536,                                                                             \
         .unit = "bytes",                                                                          \
         .help = "Maximum length of a request target, path and query; longer ones get 414."},      \
        {.name = "max_head_bytes",                                                                 \
         .type = CONFIG_INTEGER,                                                                   \
         .offset = offsetof(struct service_config, max_head_bytes),                                \
         .fallback = "32768",                                                                      \
         .min = 2048,                                                                              \
         .max = 262144,                                                                            \
         .unit = "bytes",                                                                          \
         .help = "Maximum length of a request head; longer ones get 431."},                        \
        {.name = "max_unread_bytes",                                                               \
         .type = CONFIG_INTEGER,                                                                   \
         .offset = offsetof(struct service_config, max_unread_bytes),                              \
         .fallback = "65536",                                                                      \
         .min = 4096,                                                                              \
         .max = 16777216,                                                                          \
         .unit = "bytes",                                                                          \
         .help = "Kernel receive buffer of a client connection."},                                 \
        {.name = "max_unsent_bytes",                                                               \
         .type = CONFIG_INTEGER,                                                                   \
         .offset = offsetof(struct service_config, max_unsent_bytes),                              \
         .fallback = "67108864",                                                                   \
         .min = 1048576,                                                                           \
         .max = 1099511627776,                                                                     \
         .unit = "bytes",                                                                          \
         .help = "Unsent response bytes; above it requests get 503, slow clients are reset."},     \
        {.name = "log_level",                                                                      \
         .type = CONFIG_CHOICE,                                                                    \
         .offset = offsetof(struct service_config, log_level),                                     \
         .fallback = "info",                                                                       \
         .choices = (const char *const[]){"error", "warning", "info", "debug", NULL},              \
         .help = "Log messages of this level and more severe ones."},                              \
        {.name = "sandbox",                                                                        \
         .type = CONFIG_BOOLEAN,                                                                   \
         .offset = offsetof(struct service_config, sandbox),                                       \
         .fallback = "true",                                                                       \
         .help = "Whether seccomp ends the process on an unexpected system call."},                \
        {.name = "log_format",                                                                     \
         .type = CONFIG_CHOICE,                                                                    \
         .offset = offsetof(struct service_config, log_format),                                    \
         .fallback = "text",                                                                       \
         .choices = (const char *const[]){"text", "json", NULL},                                   \
         .help = "Format of log lines: key=value or JSON."},                                       \
        {.name = "access_log",                                                                     \
         .type = CONFIG_BOOLEAN,                                                                   \
         .offset = offsetof(struct service_config, access_log),                                    \
         .fallback = "false",                                                                      \
         .help = "Whether to log requests; SIGUSR1 toggles it."},                                  \
    {                                                                                              \
        .name = "access_log_sample", .type = CONFIG_INTEGER,                                       \
        .offset = offsetof(struct service_config, access_log_sample), .fallback = "1", .min = 1,   \
        .max = 1000000, .help = "Log one request in N, per worker."                                \
    }

/* The key of a program that can have several workers; others set that to 1 in their check. */
#define SERVICE_WORKERS_KEY                                                                        \
    {                                                                                              \
        .name = "workers", .type = CONFIG_INTEGER,                                                 \
        .offset = offsetof(struct service_config, workers), .fallback = "1", .min = 0, .max = 256, \
        .help = "Threads, each with its own event loop; 0: one per core."                          \
    }

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
