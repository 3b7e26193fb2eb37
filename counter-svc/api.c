/* The entry of the internal API: authorizes each request and finds its handler. Then the steps that
 * handlers share. */
#include "counter-svc/api.h"
#include "proto/encoding.h"
#include "server/http/answer.h"
#include "server/http/output_budget.h"
#include "server/http/request.h"
#include "server/ops/log.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

enum api_route_id {
    ROUTE_NONE,
    ROUTE_LANES,
    ROUTE_HITS,
    ROUTE_PATHS,
    ROUTE_PATH,
    ROUTE_TOTALS,
    ROUTE_CHANGES,
    ROUTE_HISTORY,
    N_ROUTES
};

const char *const counter_routes[N_ROUTES + 1] = {
    [ROUTE_NONE] = "none",       [ROUTE_LANES] = "lanes",     [ROUTE_HITS] = "hits",
    [ROUTE_PATHS] = "paths",     [ROUTE_PATH] = "path",       [ROUTE_TOTALS] = "totals",
    [ROUTE_CHANGES] = "changes", [ROUTE_HISTORY] = "history",
};

static const struct api_route {
    enum api_route_id id;
    const char *path;
    bool with_rest; /* the path is a prefix */
    bool for_admin; /* only admin_token is accepted */
    /* NULL: the method is not allowed */
    void (*get)(struct counter *counter, h2o_req_t *req);
    void (*post)(struct counter *counter, h2o_req_t *req);
} ROUTES[] = {
    {ROUTE_LANES, API_LANES, false, false, NULL, api_new_lane},
    {ROUTE_HITS, API_HITS, false, false, NULL, api_hits},
    {ROUTE_PATHS, API_PATHS, false, false, api_rows, NULL},
    {ROUTE_PATH, API_PATHS "/", true, false, api_path, NULL},
    {ROUTE_TOTALS, API_TOTALS, false, false, api_totals, NULL},
    {ROUTE_CHANGES, API_CHANGES, false, true, api_audit, api_make_change},
    {ROUTE_HISTORY, API_HISTORY, false, false, api_history, NULL},
};

/* Compares in constant time. Only the length of the token can be measured. */
static bool is_token(h2o_iovec_t given, const char *token)
{
    size_t len = strlen(token);

    return given.len == len && CRYPTO_memcmp(given.base, token, len) == 0;
}

/* Returns whether the request has a valid token: admin_token for a route of administrators,
 * otherwise counter_token or, during a rotation, counter_token_previous. */
static bool is_authorized(const struct counter_config *config, h2o_req_t *req, bool for_admin)
{
    static const char SCHEME[] = "Bearer ";
    const size_t skip = sizeof(SCHEME) - 1;
    h2o_iovec_t given = request_header(req, "authorization");
    bool is_current, is_previous;

    if (given.len < skip || strncasecmp(given.base, SCHEME, skip) != 0)
        return false;
    given = h2o_iovec_init(given.base + skip, given.len - skip);
    if (for_admin)
        return config->admin_token != NULL && is_token(given, config->admin_token);
    is_current = is_token(given, config->counter_token);
    is_previous =
        config->counter_token_previous != NULL && is_token(given, config->counter_token_previous);
    return is_current || is_previous;
}

/* Echoes the client's X-Request-Id, so that the client can match the answer to its request. */
static void echo_request_id(h2o_req_t *req)
{
    h2o_iovec_t id = request_header(req, "x-request-id");

    if (id.base != NULL && id.len <= API_MAX_ID_BYTES)
        h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("x-request-id"), 0, NULL,
                              id.base, id.len);
}

static bool route_matches(const struct api_route *route, const char *path, size_t len)
{
    size_t route_len = strlen(route->path);

    return (route->with_rest ? len >= route_len : len == route_len) &&
           memcmp(path, route->path, route_len) == 0;
}

/* Returns the route of a path, or NULL. */
static const struct api_route *find_route(const char *path, size_t len)
{
    for (size_t i = 0; i < sizeof(ROUTES) / sizeof(ROUTES[0]); ++i)
        if (route_matches(&ROUTES[i], path, len))
            return &ROUTES[i];
    return NULL;
}

/* Calls the route's handler for the method, or answers 405. */
static void handle_route(struct counter *counter, h2o_req_t *req, const struct api_route *route)
{
    request_of(req)->route = route->id;
    if (route->get != NULL && method_is(req, "GET")) {
        route->get(counter, req);
    } else if (route->post != NULL && method_is(req, "POST")) {
        route->post(counter, req);
    } else {
        answer_header(req, H2O_TOKEN_ALLOW,
                      route->post == NULL  ? "GET"
                      : route->get == NULL ? "POST"
                                           : "GET, POST");
        answer_problem(req, 405, "Method not allowed.");
    }
}

int counter_handle(h2o_handler_t *self, h2o_req_t *req)
{
    struct counter *counter = worker_of(req)->app;
    size_t path_len = req->query_at != SIZE_MAX ? req->query_at : req->path.len;
    const struct api_route *route = find_route(req->path.base, path_len);
    bool for_admin = route != NULL && route->for_admin;

    (void)self;
    echo_request_id(req);
    answer_header(req, H2O_TOKEN_CACHE_CONTROL, "no-store");
    if (!is_authorized(counter->config, req, for_admin)) {
        answer_header(req, H2O_TOKEN_WWW_AUTHENTICATE, "Bearer");
        answer_problem(req, 401,
                       for_admin
                           ? "Missing or invalid bearer token. Use the admin_token of counter-svc."
                           : "Missing or invalid bearer token.");
        return 0;
    }
    answer_header_named(req, "accept-post", MEDIA_BOTH);
    if (route != NULL)
        handle_route(counter, req, route);
    else
        answer_problem(req, 404, "Not found.");
    return 0;
}

/* --- steps that handlers share --- */

int api_read_view(h2o_req_t *req, struct view *view)
{
    h2o_iovec_t query = request_query(req);
    const char *error;

    if (view_parse(query.base, query.len, view, &error) == 0)
        return 0;
    answer_problem(req, 400, error);
    return -1;
}

void api_answer_json(h2o_req_t *req, const char *json, size_t len, int64_t age_ms)
{
    if (!output_budget_admit(req, len, 0)) {
        api_answer_later(req, "Too many bytes wait for slow clients; retry the same request.");
        return;
    }
    api_add_age(req, age_ms);
    answer_copy(req, 200, MEDIA_JSON, json, len);
}

void api_answer_later(h2o_req_t *req, const char *detail)
{
    h2o_iovec_t given = request_header(req, "x-request-id");
    char id[API_MAX_ID_BYTES + 1];

    snprintf(id, sizeof(id), "%.*s", (int)given.len, given.len != 0 ? given.base : "");
    log_event(LOG_LEVEL_WARNING, "unavailable", "route=%s trace=%s request_id=%s",
              request_route(req), request_trace(req), LOG_QUOTED(id));
    answer_header_named(req, "retry-after", "1");
    answer_problem(req, 503, detail);
}

void api_answer_unavailable(h2o_req_t *req)
{
    api_answer_later(req, "PostgreSQL is unavailable; retry the same request.");
}

void api_answer_unread(h2o_req_t *req, const struct view_result *result)
{
    if (result->refusal != NULL)
        answer_problem(req, result->refusal_status,
                       h2o_strdup(&req->pool, result->refusal, SIZE_MAX).base);
    else
        api_answer_unavailable(req);
}

void api_add_age(h2o_req_t *req, int64_t age_ms)
{
    char age[24];

    if (age_ms == 0)
        return;
    snprintf(age, sizeof(age), "%lld", (long long)((age_ms + 999) / 1000));
    answer_header_named(req, "age", h2o_strdup(&req->pool, age, SIZE_MAX).base);
}
