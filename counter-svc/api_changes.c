#include "counter-svc/api_changes.h"

#include "proto/encoding.h"
#include "server/http/answer.h"
#include "server/http/output_budget.h"
#include "server/http/request.h"

#include <string.h>

/* A request that waits for PostgreSQL; in the request's pool. */
struct call {
    h2o_req_t *req;
    struct change_request *request; /* NULL: none is on its way */
};

static void on_result(void *data, const struct change_result *result);

static void abandon(void *data)
{
    struct call *call = data;

    if (call->request != NULL)
        change_cancel(call->request);
}

static struct call *call_create(h2o_req_t *req)
{
    struct call *call = h2o_mem_alloc_shared(&req->pool, sizeof(*call), abandon);

    *call = (struct call){.req = req};
    return call;
}

void api_make_change(struct counter *counter, h2o_req_t *req)
{
    struct buffer json = {0};
    struct call *call;
    const char *error;

    if (change_decode(req->entity.base, req->entity.len, &json, &error) != 0) {
        answer_problem(req, 400, error);
        return;
    }
    call = call_create(req);
    call->request = changes_make(counter->changes, &json, on_result, call);
}

void api_audit(struct counter *counter, h2o_req_t *req)
{
    struct audit_query *query = h2o_mem_alloc_pool(&req->pool, sizeof(*query));
    h2o_iovec_t text = request_query(req);
    const char *error;
    struct call *call;

    if (audit_query_parse(text.base, text.len, query, &error) != 0) {
        answer_problem(req, 400, error);
        return;
    }
    call = call_create(req);
    call->request = changes_audit(counter->changes, query, on_result, call);
}

static void on_result(void *data, const struct change_result *result)
{
    struct call *call = data;

    call->request = NULL;
    switch (result->outcome) {
    case CHANGE_DONE:
        if (!output_budget_admit(call->req, result->len, 0)) {
            api_answer_later(call->req,
                             "Too many bytes wait for slow clients; retry the same request.");
            break;
        }
        answer_copy(call->req, 200, MEDIA_JSON, result->text, result->len);
        break;
    case CHANGE_REFUSED:
        answer_problem(call->req, 409,
                       h2o_strdup(&call->req->pool, result->text, result->len).base);
        break;
    case CHANGE_UNAVAILABLE:
        api_answer_unavailable(call->req);
        break;
    }
}
