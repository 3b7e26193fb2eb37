/* The internal API: what proto/counter-api.yml describes. A request reads from top to bottom: the
 * route's handler, then what happens when the ledger has answered. Every request gets an answer
 * within the ledger's deadlines; one whose connection goes before is abandoned. */

#include "counter-svc/api_changes.h"
#include "counter-svc/api_history.h"
#include "counter-svc/counter.h"
#include "server/http/answer.h"
#include "server/http/output_budget.h"
#include "server/http/request.h"
#include "server/ops/log.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

/* Of an X-Request-Id that is echoed. */
#define MAX_ID_BYTES 128

/* How long the answer to a batch is kept back for rows that are not in memory, in milliseconds. */
#define ROWS_PATIENCE_MS 250

/* A request that waits for the ledger; in the request's pool. */
struct call {
    h2o_req_t *req;
    struct journal_request *journal_request; /* NULL: none is on its way */
    struct view_request *view_request;       /* the same */
    char *path;                              /* of GET /v1/paths/{path} */
    size_t path_len;
    struct view *view;      /* whose rows are wanted; NULL: none */
    enum encoding encoding; /* of the answer to a batch */
    struct buffer counts;   /* that, while its rows are awaited */
    struct timer patience;
};

static void handle_new_lane(struct counter *counter, h2o_req_t *req);
static void on_new_lane(void *data, const struct journal_result *result);
static void handle_hits(struct counter *counter, h2o_req_t *req);
static void on_hits(void *data, const struct journal_result *result);
static void handle_rows(struct counter *counter, h2o_req_t *req);
static void on_newest(void *data, const struct journal_result *result);
static void on_rows(void *data, const struct view_result *result);
static void handle_path(struct counter *counter, h2o_req_t *req);
static void on_path(void *data, const struct view_result *result);
static void handle_totals(struct counter *counter, h2o_req_t *req);
static void on_totals(void *data, const struct journal_result *result);

enum route_id {
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

static const struct route {
    enum route_id id;
    const char *path;
    bool with_rest; /* whatever comes behind the path belongs to it */
    bool for_admin; /* with admin_token alone */
    /* NULL: the method is not allowed */
    void (*get)(struct counter *counter, h2o_req_t *req);
    void (*post)(struct counter *counter, h2o_req_t *req);
} ROUTES[] = {
    {ROUTE_LANES, API_LANES, false, false, NULL, handle_new_lane},
    {ROUTE_HITS, API_HITS, false, false, NULL, handle_hits},
    {ROUTE_PATHS, API_PATHS, false, false, handle_rows, NULL},
    {ROUTE_PATH, API_PATHS "/", true, false, handle_path, NULL},
    {ROUTE_TOTALS, API_TOTALS, false, false, handle_totals, NULL},
    {ROUTE_CHANGES, API_CHANGES, false, true, api_audit, api_make_change},
    {ROUTE_HISTORY, API_HISTORY, false, false, api_history, NULL},
};

/* Whether it is the token, in time that does not depend on where they differ. */
static bool is_token(h2o_iovec_t given, const char *token)
{
    size_t len = strlen(token);

    return given.len == len && CRYPTO_memcmp(given.base, token, len) == 0;
}

/* Whether the request bears the token, or the other that is accepted while it is rotated; for an
 * administrator's route admin_token, if there is one. */
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
    is_current = is_token(given, config->service.counter_token);
    is_previous =
        config->counter_token_previous != NULL && is_token(given, config->counter_token_previous);
    return is_current || is_previous;
}

/* Whoever sent an id gets it back, and so can tell this answer from any other's. */
static void echo_request_id(h2o_req_t *req)
{
    h2o_iovec_t id = request_header(req, "x-request-id");

    if (id.base != NULL && id.len <= MAX_ID_BYTES)
        h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("x-request-id"), 0, NULL,
                              id.base, id.len);
}

static bool route_matches(const struct route *route, const char *path, size_t len)
{
    size_t route_len = strlen(route->path);

    return (route->with_rest ? len >= route_len : len == route_len) &&
           memcmp(path, route->path, route_len) == 0;
}

/* The route of a path; NULL: there is none. */
static const struct route *find_route(const char *path, size_t len)
{
    for (size_t i = 0; i < sizeof(ROUTES) / sizeof(ROUTES[0]); ++i)
        if (route_matches(&ROUTES[i], path, len))
            return &ROUTES[i];
    return NULL;
}

static void handle_route(struct counter *counter, h2o_req_t *req, const struct route *route)
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
    const struct route *route = find_route(req->path.base, path_len);
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

static void abandon(void *data)
{
    struct call *call = data;

    if (call->journal_request != NULL)
        journal_cancel(call->journal_request);
    if (call->view_request != NULL)
        view_cancel(call->view_request);
    timer_stop(&call->patience);
    buffer_free(&call->counts);
}

static struct call *call_create(h2o_req_t *req)
{
    struct call *call = h2o_mem_alloc_shared(&req->pool, sizeof(*call), abandon);

    *call = (struct call){.req = req};
    return call;
}

static void answer_json(h2o_req_t *req, int status, const struct buffer *json)
{
    answer_copy(req, status, MEDIA_JSON, json->bytes, json->len);
}

/* The encoding that a header of the request names. */
static enum encoding requested_encoding(h2o_req_t *req, const char *lower_case_name)
{
    h2o_iovec_t value = request_header(req, lower_case_name);

    return encoding_named(value.base, value.len);
}

/* With a 503: it may be asked again. */
void api_answer_later(h2o_req_t *req, const char *detail)
{
    h2o_iovec_t given = request_header(req, "x-request-id");
    char id[MAX_ID_BYTES + 1];

    snprintf(id, sizeof(id), "%.*s", (int)given.len, given.len != 0 ? given.base : "");
    log_event(LOG_LEVEL_WARNING, "unavailable", "route=%s trace=%s request_id=%s",
              request_route(req), request_trace(req), LOG_QUOTED(id));
    answer_header_named(req, "retry-after", "1");
    answer_problem(req, 503, detail);
}

/* For how long the rows have been behind what is counted (RFC 9111, 5.1). */
void api_add_age(h2o_req_t *req, int64_t age_ms)
{
    char age[24];

    if (age_ms == 0)
        return;
    snprintf(age, sizeof(age), "%lld", (long long)((age_ms + 999) / 1000));
    answer_header_named(req, "age", h2o_strdup(&req->pool, age, SIZE_MAX).base);
}

void api_answer_unread(h2o_req_t *req, const struct view_result *result)
{
    if (result->refusal != NULL)
        answer_problem(req, result->refusal_status,
                       h2o_strdup(&req->pool, result->refusal, SIZE_MAX).base);
    else
        api_answer_unavailable(req);
}

void api_answer_unavailable(h2o_req_t *req)
{
    api_answer_later(req, "PostgreSQL is unavailable; retry the same request.");
}

/* Reads the view that the query asks for. */
static bool read_view(const h2o_req_t *req, struct view *view, const char **error)
{
    h2o_iovec_t query = request_query(req);

    return view_parse(query.base, query.len, view, error) == 0;
}

/* --- POST /v1/lanes --- */

static void handle_new_lane(struct counter *counter, h2o_req_t *req)
{
    struct call *call = call_create(req);

    call->journal_request =
        journal_add_lane(counter->journal, &request_of(req)->trace, on_new_lane, call);
}

static void on_new_lane(void *data, const struct journal_result *result)
{
    struct call *call = data;
    struct buffer json = {0};

    call->journal_request = NULL;
    if (result->outcome != JOURNAL_APPLIED) {
        api_answer_unavailable(call->req);
        return;
    }
    lane_encode(&json, result->lane);
    answer_json(call->req, 201, &json);
    buffer_free(&json);
}

/* --- POST /v1/hits --- */

static void handle_hits(struct counter *counter, h2o_req_t *req)
{
    struct call *call;
    struct hits hits;
    struct view view;
    const char *error;

    if (req->entity.len > BATCH_MAX_BODY_BYTES) {
        answer_problem(req, 400, "The body has more than 1,048,576 bytes.");
        return;
    }
    if (!read_view(req, &view, &error)) {
        answer_problem(req, 400, error);
        return;
    }
    if (hits_decode(req->entity.base, req->entity.len, requested_encoding(req, "content-type"),
                    &hits, &error) != 0) {
        answer_problem(req, 400, error);
        return;
    }
    call = call_create(req);
    call->encoding = requested_encoding(req, "accept");
    if (req->query_at != SIZE_MAX) {
        call->view = h2o_mem_alloc_pool(&req->pool, sizeof(view));
        *call->view = view;
    }
    call->journal_request =
        journal_add_batch(counter->journal, &hits, &request_of(req)->trace, on_hits, call);
}

static void answer_counts(struct call *call)
{
    timer_stop(&call->patience);
    answer_copy(call->req, 200, encoding_media_type(call->encoding), call->counts.bytes,
                call->counts.len);
}

/* Adds the rows that go with the counts, unless slow clients take up the room for them. */
static void add_rows(struct call *call, const struct rows *rows)
{
    struct buffer encoded = {0};

    rows_encode(&encoded, call->encoding, rows);
    if (output_budget_admit(call->req, call->counts.len + encoded.len, 0))
        counts_add_rows(&call->counts, call->encoding, &encoded);
    buffer_free(&encoded);
}

/* The rows are there, or cannot be had. */
static void on_hits_rows(void *data, const struct view_result *result)
{
    struct call *call = data;

    call->view_request = NULL;
    if (result->rows != NULL)
        add_rows(call, result->rows);
    answer_counts(call);
}

/* The batch is committed: that is not to be kept back for rows that do not come. */
static void on_patience_over(struct timer *timer)
{
    struct call *call = H2O_STRUCT_FROM_MEMBER(struct call, patience, timer);

    view_cancel(call->view_request);
    call->view_request = NULL;
    answer_counts(call);
}

/* The state has the batch's own hits, and so have the rows. */
static void add_rows_of_state(struct call *call, const struct state *state)
{
    struct page page;

    page_of_state(&page, state, call->view);
    add_rows(call, &page.rows);
    page_free(&page);
}

static void on_confirmed(struct call *call, const struct batch *batch,
                         const struct journal_result *result)
{
    struct counter *counter = worker_of(call->req)->app;
    const struct state *state = journal_state(counter->journal);

    counts_encode(&call->counts, call->encoding, batch, result->outcome == JOURNAL_REPEAT,
                  result->numbers);
    if (call->view != NULL && !view_is_in_memory(call->view)) {
        call->view_request = views_rows(counter->views, call->view, &request_of(call->req)->trace,
                                        on_hits_rows, call);
        timer_start_after(&worker_of(call->req)->timers, &call->patience, ROWS_PATIENCE_MS,
                          on_patience_over);
        return;
    }
    if (call->view != NULL && state != NULL)
        add_rows_of_state(call, state);
    answer_counts(call);
}

static void on_hits(void *data, const struct journal_result *result)
{
    struct call *call = data;
    const struct batch *batch = journal_batch(call->journal_request);

    call->journal_request = NULL;
    switch (result->outcome) {
    case JOURNAL_APPLIED:
    case JOURNAL_REPEAT:
        on_confirmed(call, batch, result);
        break;
    case JOURNAL_CONFLICT:
        answer_problem(call->req, 409,
                       "The lane is unknown, or the sequence is not its next. Begin a new lane.");
        break;
    case JOURNAL_UNAVAILABLE:
        api_answer_unavailable(call->req);
        break;
    }
}

/* --- GET /v1/paths --- */

static void handle_rows(struct counter *counter, h2o_req_t *req)
{
    struct call *call;
    struct view view;
    const char *error;

    if (!read_view(req, &view, &error)) {
        answer_problem(req, 400, error);
        return;
    }
    call = call_create(req);
    if (!view_is_in_memory(&view)) {
        call->view_request =
            views_rows(counter->views, &view, &request_of(req)->trace, on_rows, call);
        return;
    }
    call->view = h2o_mem_alloc_pool(&req->pool, sizeof(view));
    *call->view = view;
    call->journal_request =
        journal_add_read(counter->journal, &request_of(req)->trace, on_newest, call);
}

/* The state in memory has everything that was committed when the rows were asked for. */
static void on_newest(void *data, const struct journal_result *result)
{
    struct call *call = data;
    struct counter *counter = worker_of(call->req)->app;
    const struct state *state = journal_state(counter->journal);
    struct page page;

    call->journal_request = NULL;
    if (result->outcome != JOURNAL_APPLIED || state == NULL) {
        api_answer_unavailable(call->req);
        return;
    }
    page_of_state(&page, state, call->view);
    on_rows(call, &(struct view_result){.rows = &page.rows});
    page_free(&page);
}

static void on_rows(void *data, const struct view_result *result)
{
    struct call *call = data;
    struct buffer json = {0};

    call->view_request = NULL;
    if (result->rows == NULL) {
        api_answer_unread(call->req, result);
        return;
    }
    rows_encode(&json, ENCODING_JSON, result->rows);
    if (!output_budget_admit(call->req, json.len, 0)) {
        api_answer_later(call->req,
                         "Too many bytes wait for slow clients; retry the same request.");
    } else {
        api_add_age(call->req, result->age_ms);
        answer_json(call->req, 200, &json);
    }
    buffer_free(&json);
}

/* --- GET /v1/paths/{path} --- */

static void handle_path(struct counter *counter, h2o_req_t *req)
{
    size_t skip = strlen(API_PATHS);
    struct call *call;
    size_t len;
    char *path = h2o_mem_alloc_pool(&req->pool, req->path.len);
    enum path_error error =
        path_canonicalize(req->path.base + skip, req->path.len - skip, path, &len);

    if (error != PATH_OK) {
        answer_problem(req, error == PATH_TOO_LONG ? 414 : 400, path_error_text(error));
        return;
    }
    call = call_create(req);
    call->path = path;
    call->path_len = len;
    call->view_request =
        views_path(counter->views, path, len, &request_of(req)->trace, on_path, call);
}

static void on_path(void *data, const struct view_result *result)
{
    struct call *call = data;
    struct path_detail detail;
    struct buffer json = {0};

    call->view_request = NULL;
    if (result->detail == NULL) {
        api_answer_unavailable(call->req);
    } else if (result->detail->count == 0) {
        answer_problem(call->req, 404, "This path has not been counted yet.");
    } else {
        detail = *result->detail;
        detail.path = call->path;
        detail.path_len = call->path_len;
        detail_encode(&json, &detail);
        api_add_age(call->req, result->age_ms);
        answer_json(call->req, 200, &json);
        buffer_free(&json);
    }
}

/* --- GET /v1/totals --- */

static void handle_totals(struct counter *counter, h2o_req_t *req)
{
    struct call *call = call_create(req);

    call->journal_request =
        journal_add_read(counter->journal, &request_of(req)->trace, on_totals, call);
}

static void on_totals(void *data, const struct journal_result *result)
{
    struct call *call = data;
    struct counter *counter = worker_of(call->req)->app;
    const struct state *state = journal_state(counter->journal);
    struct buffer json = {0};

    call->journal_request = NULL;
    if (result->outcome != JOURNAL_APPLIED || state == NULL) {
        api_answer_unavailable(call->req);
        return;
    }
    totals_encode(&json, &(struct totals){state->paths, state->hits, state->bots});
    answer_json(call->req, 200, &json);
    buffer_free(&json);
}
