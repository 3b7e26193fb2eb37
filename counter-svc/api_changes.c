/* POST and GET /v1/changes: changes of counts by operators, and their audit trail. */
#include "counter-svc/api.h"
#include "server/http/answer.h"
#include "server/http/request.h"

/* A request that waits for PostgreSQL; in the request's pool. */
struct api_change {
    h2o_req_t *req;
    struct change_request *request; /* NULL: answered */
};

static void on_change_made(void *data, const struct change_result *result);

static void on_change_disposed(void *data)
{
    struct api_change *call = data;

    if (call->request != NULL)
        change_cancel(call->request);
}

static struct api_change *api_change_create(h2o_req_t *req)
{
    struct api_change *call = h2o_mem_alloc_shared(&req->pool, sizeof(*call), on_change_disposed);

    *call = (struct api_change){.req = req};
    return call;
}

void api_make_change(struct counter *counter, h2o_req_t *req)
{
    struct buffer json = {0};
    struct api_change *call;
    const char *error;

    if (change_decode(req->entity.base, req->entity.len, &json, &error) != 0) {
        answer_problem(req, 400, error);
        return;
    }
    call = api_change_create(req);
    call->request = changes_make(counter->changes, &json, on_change_made, call);
}

void api_audit(struct counter *counter, h2o_req_t *req)
{
    struct audit_query query;
    h2o_iovec_t text = request_query(req);
    const char *error;
    struct api_change *call;

    if (audit_query_parse(text.base, text.len, &query, &error) != 0) {
        answer_problem(req, 400, error);
        return;
    }
    call = api_change_create(req);
    call->request = changes_audit(counter->changes, &query, on_change_made, call);
}

static void on_change_made(void *data, const struct change_result *result)
{
    struct api_change *call = data;
    h2o_req_t *req = call->req;

    call->request = NULL;
    switch (result->outcome) {
    case CHANGE_DONE:
        api_answer_json(req, result->text, result->len, 0);
        break;
    case CHANGE_REFUSED:
        answer_problem(req, 409, h2o_strdup(&req->pool, result->text, result->len).base);
        break;
    case CHANGE_UNAVAILABLE:
        api_answer_unavailable(req);
        break;
    }
}
