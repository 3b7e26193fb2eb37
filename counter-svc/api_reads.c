/* The reads of the internal API. The first rows of the ranking and the totals come from the state
 * in memory, after the journal has checked that the state is the newest. Everything else comes from
 * the tables, over a view (read/views.h).
 */
#include "counter-svc/api.h"
#include "counter-svc/read/history_query.h"
#include "counter-svc/read/view_page.h"
#include "server/http/answer.h"
#include "server/http/request.h"

#include <string.h>

/* A request that waits for a view or for the journal; in the request's pool. */
struct api_read {
    h2o_req_t *req;
    struct counter *counter;
    struct journal_request *journal_request; /* NULL: none is in flight */
    struct view_request *view_request;       /* NULL: none is in flight */
    const struct view *view;                 /* of rows in memory; otherwise NULL */
    char *path;                              /* of GET /v1/paths/{path}; in the request's pool */
    size_t path_len;
};

static void on_ranking_ready(void *data, const struct journal_result *result);
static void on_view_read(void *data, const struct view_result *result);
static void answer_rows(struct api_read *read, const struct view_result *result);
static void on_path_read(void *data, const struct view_result *result);
static void on_totals_ready(void *data, const struct journal_result *result);
static void on_history_read(void *data, const struct view_result *result);

static void on_read_disposed(void *data)
{
    struct api_read *read = data;

    if (read->journal_request != NULL)
        journal_cancel(read->journal_request);
    if (read->view_request != NULL)
        view_cancel(read->view_request);
}

static struct api_read *read_create(struct counter *counter, h2o_req_t *req)
{
    struct api_read *read = h2o_mem_alloc_shared(&req->pool, sizeof(*read), on_read_disposed);

    *read = (struct api_read){.req = req, .counter = counter};
    return read;
}

/* Returns the state, which includes all commits before the request. Otherwise answers 503 and
 * returns NULL. */
static const struct state *newest_state(struct api_read *read, const struct journal_result *result)
{
    const struct state *state = journal_state(read->counter->journal);

    read->journal_request = NULL;
    if (result->outcome == JOURNAL_APPLIED && state != NULL)
        return state;
    api_answer_unavailable(read->req);
    return NULL;
}

/* --- GET /v1/paths --- */

void api_rows(struct counter *counter, h2o_req_t *req)
{
    const struct trace *trace = &request_of(req)->trace;
    struct api_read *read;
    struct view view;

    if (api_read_view(req, &view) != 0)
        return;
    read = read_create(counter, req);
    if (view_is_in_memory(&view)) {
        read->view = memcpy(h2o_mem_alloc_pool(&req->pool, sizeof(view)), &view, sizeof(view));
        read->journal_request = journal_add_read(counter->journal, trace, on_ranking_ready, read);
    } else {
        read->view_request = views_rows(counter->views, &view, trace, on_view_read, read);
    }
}

static void on_ranking_ready(void *data, const struct journal_result *result)
{
    struct api_read *read = data;
    const struct state *state = newest_state(read, result);
    struct view_page page;

    if (state == NULL)
        return;
    view_page_of_state(&page, state, read->view);
    answer_rows(read, &(struct view_result){.rows = &page.rows});
    view_page_free(&page);
}

static void on_view_read(void *data, const struct view_result *result)
{
    struct api_read *read = data;

    read->view_request = NULL;
    answer_rows(read, result);
}

static void answer_rows(struct api_read *read, const struct view_result *result)
{
    struct buffer json = {0};

    if (result->rows == NULL) {
        api_answer_unread(read->req, result);
        return;
    }
    rows_encode(&json, ENCODING_JSON, result->rows);
    api_answer_json(read->req, json.bytes, json.len, result->age_ms);
    buffer_free(&json);
}

/* --- GET /v1/paths/{path} --- */

void api_path(struct counter *counter, h2o_req_t *req)
{
    size_t skip = strlen(API_PATHS);
    char *path = h2o_mem_alloc_pool(&req->pool, req->path.len);
    size_t len;
    enum path_error error =
        path_canonicalize(req->path.base + skip, req->path.len - skip, path, &len);
    struct api_read *read;

    if (error != PATH_OK) {
        answer_problem(req, error == PATH_TOO_LONG ? 414 : 400, path_error_text(error));
        return;
    }
    read = read_create(counter, req);
    read->path = path;
    read->path_len = len;
    read->view_request =
        views_path(counter->views, path, len, &request_of(req)->trace, on_path_read, read);
}

static void on_path_read(void *data, const struct view_result *result)
{
    struct api_read *read = data;
    struct path_detail detail;
    struct buffer json = {0};

    read->view_request = NULL;
    if (result->detail == NULL) {
        api_answer_unavailable(read->req);
    } else if (result->detail->count == 0) {
        answer_problem(read->req, 404, "This path has not been counted yet.");
    } else {
        detail = *result->detail;
        detail.path = read->path;
        detail.path_len = read->path_len;
        detail_encode(&json, &detail);
        api_add_age(read->req, result->age_ms);
        answer_copy(read->req, 200, MEDIA_JSON, json.bytes, json.len);
        buffer_free(&json);
    }
}

/* --- GET /v1/totals --- */

void api_totals(struct counter *counter, h2o_req_t *req)
{
    struct api_read *read = read_create(counter, req);

    read->journal_request =
        journal_add_read(counter->journal, &request_of(req)->trace, on_totals_ready, read);
}

static void on_totals_ready(void *data, const struct journal_result *result)
{
    struct api_read *read = data;
    const struct state *state = newest_state(read, result);
    struct buffer json = {0};

    if (state == NULL)
        return;
    totals_encode(&json, &(struct totals){state->paths, state->hits, state->bots});
    answer_copy(read->req, 200, MEDIA_JSON, json.bytes, json.len);
    buffer_free(&json);
}

/* --- GET /v1/history --- */

void api_history(struct counter *counter, h2o_req_t *req)
{
    struct history_query query;
    h2o_iovec_t text = request_query(req);
    const char *error;
    struct api_read *read;

    if (history_query_parse(text.base, text.len, &query, &error) != 0) {
        answer_problem(req, 400, error);
        return;
    }
    read = read_create(counter, req);
    read->view_request =
        views_history(counter->views, &query, &request_of(req)->trace, on_history_read, read);
}

static void on_history_read(void *data, const struct view_result *result)
{
    struct api_read *read = data;

    read->view_request = NULL;
    if (result->history == NULL) {
        api_answer_unread(read->req, result);
        return;
    }
    api_answer_json(read->req, result->history, result->history_len, result->age_ms);
}
