#include "counter-svc/api_history.h"

#include "counter-svc/api_changes.h"
#include "counter-svc/read/history_query.h"
#include "proto/encoding.h"
#include "server/http/answer.h"
#include "server/http/output_budget.h"
#include "server/http/request.h"

/* A request that waits for PostgreSQL; in the request's pool. */
struct call {
    h2o_req_t *req;
    struct view_request *request; /* NULL: none is on its way */
};

static void on_history(void *data, const struct view_result *result);

static void abandon(void *data)
{
    struct call *call = data;

    if (call->request != NULL)
        view_cancel(call->request);
}

void api_history(struct counter *counter, h2o_req_t *req)
{
    struct history_query query;
    h2o_iovec_t text = request_query(req);
    const char *error;
    struct call *call;

    if (history_query_parse(text.base, text.len, &query, &error) != 0) {
        answer_problem(req, 400, error);
        return;
    }
    call = h2o_mem_alloc_shared(&req->pool, sizeof(*call), abandon);
    *call = (struct call){.req = req};
    call->request =
        views_history(counter->views, &query, &request_of(req)->trace, on_history, call);
}

static void on_history(void *data, const struct view_result *result)
{
    struct call *call = data;

    call->request = NULL;
    if (result->history == NULL) {
        api_answer_unread(call->req, result);
    } else if (!output_budget_admit(call->req, result->history_len, 0)) {
        api_answer_later(call->req, "Too much is on its way to clients that are slow. Ask again.");
    } else {
        api_add_age(call->req, result->age_ms);
        answer_copy(call->req, 200, MEDIA_JSON, result->history, result->history_len);
    }
}
