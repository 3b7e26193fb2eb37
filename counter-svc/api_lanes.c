/* POST /v1/lanes: begins a lane. Its id is sent after the entry that opens it is committed. */
#include "counter-svc/api.h"
#include "server/http/answer.h"
#include "server/http/request.h"

/* A request that waits for the journal; in the request's pool. */
struct api_lane {
    h2o_req_t *req;
    struct journal_request *journal_request; /* NULL: answered */
};

static void on_lane_stored(void *data, const struct journal_result *result);
static void on_lane_disposed(void *data);

void api_new_lane(struct counter *counter, h2o_req_t *req)
{
    struct api_lane *call = h2o_mem_alloc_shared(&req->pool, sizeof(*call), on_lane_disposed);

    call->req = req;
    call->journal_request =
        journal_add_lane(counter->journal, &request_of(req)->trace, on_lane_stored, call);
}

static void on_lane_stored(void *data, const struct journal_result *result)
{
    struct api_lane *call = data;
    struct buffer json = {0};

    call->journal_request = NULL;
    if (result->outcome != JOURNAL_APPLIED) {
        api_answer_unavailable(call->req);
        return;
    }
    lane_encode(&json, result->lane);
    answer_copy(call->req, 201, MEDIA_JSON, json.bytes, json.len);
    buffer_free(&json);
}

static void on_lane_disposed(void *data)
{
    struct api_lane *call = data;

    if (call->journal_request != NULL)
        journal_cancel(call->journal_request);
}
