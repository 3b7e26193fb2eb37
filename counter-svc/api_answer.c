#include "counter-svc/api.h"

#include "proto/encoding.h"
#include "server/http/answer.h"
#include "server/http/output_budget.h"
#include "server/http/request.h"
#include "server/ops/log.h"

#include <stdio.h>

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

int api_read_view(h2o_req_t *req, struct view *view)
{
    h2o_iovec_t query = request_query(req);
    const char *error;

    if (view_parse(query.base, query.len, view, &error) == 0)
        return 0;
    answer_problem(req, 400, error);
    return -1;
}
