#include "server/admin.h"

#include "server/http/answer.h"
#include "server/http/request.h"
#include "server/ops/metrics.h"

#include <string.h>
#include <unistd.h>

/* A loop is stalled if a turn takes longer than this, in milliseconds. No code in a loop may
 * block. */
#define MAX_TURN_MS 5000

enum admin_route { ADMIN_NONE, ADMIN_LIVE, ADMIN_READY, ADMIN_METRICS };
const char *const admin_routes[] = {[ADMIN_NONE] = "none",
                                    [ADMIN_LIVE] = "live",
                                    [ADMIN_READY] = "ready",
                                    [ADMIN_METRICS] = "metrics",
                                    NULL};

/* Returns why the process is not live, or NULL. */
static const char *why_not_live(const struct admin *admin)
{
    uint64_t now = monotonic_ms();

    for (size_t i = 0; i < admin->n_workers; ++i) {
        uint64_t last =
            atomic_load_explicit(&admin->servers[i].worker.last_turn_ms, memory_order_relaxed);
        if (now > last && now - last > MAX_TURN_MS)
            return "event loop stalled";
    }
    return NULL;
}

/* Answers 200 with "live" or "ready", or 503 with the reason. */
static void answer_status(h2o_req_t *req, const char *what, const char *why_not)
{
    struct buffer body = {0};

    if (why_not != NULL)
        buffer_add_literal(&body, "not ");
    buffer_add_string(&body, what);
    if (why_not != NULL) {
        buffer_add_literal(&body, ": ");
        buffer_add_string(&body, why_not);
    }
    buffer_add_literal(&body, "\n");
    answer_copy(req, why_not == NULL ? 200 : 503, "text/plain; charset=utf-8", body.bytes,
                body.len);
    buffer_free(&body);
}

/* Appends the host name. In a monitored stack a task has the name of its host. */
static void add_host(struct buffer *to)
{
    char host[65] = "";

    if (gethostname(host, sizeof(host) - 1) != 0)
        return;
    for (char *at = host; *at != '\0'; ++at)
        if (*at == '"' || *at == '\\' || (unsigned char)*at <= ' ')
            *at = '_';
    metrics_add_head(to, "pathcount_host_info", "Always 1; the label is the host name.", "gauge");
    buffer_add_literal(to, "pathcount_host_info{host=\"");
    buffer_add_string(to, host);
    buffer_add_literal(to, "\"} 1\n");
}

/* Appends the metrics of the process as a whole. */
static void add_process_info(struct buffer *to, const struct admin *admin)
{
    metrics_add_head(to, "pathcount_build_info",
                     "Always 1; the labels are the versions of program and libh2o.", "gauge");
    buffer_add_literal(to, "pathcount_build_info{version=\"" PATHCOUNT_VERSION
                           "\",libh2o=\"" H2O_VERSION "\"} 1\n");
    add_host(to);
    metrics_add_gauge(to, "pathcount_ready", "1 while /ready answers 200.",
                      admin->why_not_ready() == NULL);
    metrics_add_gauge(to, "pathcount_workers", "Threads, each with its own event loop.",
                      admin->n_workers);
    metrics_add_gauge(to, "pathcount_connections_limit",
                      "Maximum of open client connections (max_connections).",
                      (uint64_t)admin->settings->max_connections);
}

static void answer_metrics(h2o_req_t *req, const struct admin *admin)
{
    struct buffer text = {0};

    add_process_info(&text, admin);
    metrics_add_table(&text, service_metrics, admin->metrics, admin->n_workers);
    metrics_add_requests(&text, admin->routes, admin->metrics, admin->n_workers);
    metrics_add_table(&text, admin->program_metrics, admin->metrics, admin->n_workers);
    metrics_add_process(&text, admin->started_s);
    answer_copy(req, 200, METRICS_TYPE, text.bytes, text.len);
    buffer_free(&text);
}

/* Returns the route of the request's target without its query. */
static enum admin_route find_route(const h2o_req_t *req)
{
    static const char *const PATHS[] = {
        [ADMIN_LIVE] = "/live", [ADMIN_READY] = "/ready", [ADMIN_METRICS] = "/metrics"};

    size_t len = req->query_at != SIZE_MAX ? req->query_at : req->path.len;

    for (size_t i = ADMIN_LIVE; i <= ADMIN_METRICS; ++i)
        if (h2o_memis(req->path.base, len, PATHS[i], strlen(PATHS[i])))
            return (enum admin_route)i;
    return ADMIN_NONE;
}

int admin_handle(h2o_handler_t *self, h2o_req_t *req)
{
    static const char METHODS[] = "GET, HEAD, OPTIONS";
    const struct admin *admin = worker_of(req)->app;
    enum admin_route route = find_route(req);

    (void)self;
    request_of(req)->route = route;
    answer_header(req, H2O_TOKEN_CACHE_CONTROL, "no-store");
    if (method_is(req, "OPTIONS")) {
        answer_options(req, METHODS);
    } else if (route == ADMIN_NONE) {
        answer_problem(req, 404, "Not found. This listener has /live, /ready and /metrics.");
    } else if (!method_is(req, "GET") && !method_is(req, "HEAD")) {
        answer_header(req, H2O_TOKEN_ALLOW, METHODS);
        answer_problem(req, 405, "Method not allowed; use GET, HEAD or OPTIONS.");
    } else if (route == ADMIN_LIVE) {
        answer_status(req, "live", why_not_live(admin));
    } else if (route == ADMIN_READY) {
        answer_status(req, "ready", admin->why_not_ready());
    } else {
        answer_metrics(req, admin);
    }
    return 0;
}
