/* POST /v1/hits: counts a batch of hits. The steps from the request to the answer, each with its
 * function. Functions without a file are in this one, in this order:
 *
 *   1. on_request         refuses an invalid head (server/http/http_server.c, validate.c)
 *   2. counter_handle     checks the token and finds the route (api.c)
 *   3. api_hits           decodes the batch (hits_decode in proto/api.c) and reads from the query
 *                         which rows are wanted (view_parse in proto/view.c)
 *   4. journal_add_batch  puts the batch into the journal's queue (journal/journal_requests.c)
 *      --- the end of the loop's turn ---
 *   5. journal_step       chooses the next statement (journal/journal.c): an append
 *   6. append_send        makes an entry and sends it (journal/append.c):
 *      gather             judges every batch that waits, by the state in memory (journal/state.c),
 *                         and puts the new ones into the entry (journal/gather.c)
 *      send_entry         checks the entry and encodes it (journal/append.c)
 *      session_run        runs the statement (ledger/session.c): one write (ledger/pg.c)
 *      --- PostgreSQL commits ---
 *   7. finish_query       runs the callback once PostgreSQL is ready for a query (ledger/pg.c)
 *   8. on_appended        applies the entry to the state (state_apply in journal/state.c), notes it
 *                         for the next fold (journal/fold.c), sends the next entry, then answers
 *                         the batches of this one (journal/append.c)
 *   9. on_journal_result  answers 409 or 503, or continues with step 10
 *  10. answer_confirmed   encodes the counts (counts_encode in proto/api.c), and the first rows of
 *                         the ranking from the state (read/view_page.c)
 *  11. on_more_rows       adds other rows, which a view has read from the table,
 *      or on_rows_late    or answers without them after ROWS_LINGER_MS
 *  12. answer_counts      sends the answer (server/http/answer.c)
 *      --- libh2o has written the answer, or render-svc has left ---
 *  13. on_request_end     counts and logs the request (server/http/http_server.c, request.c)
 *  14. on_batch_disposed  cancels what is still in progress
 *
 * A batch that is cancelled before step 6 is not counted. A batch that has been sent is counted.
 */
#include "counter-svc/api.h"
#include "counter-svc/read/view_page.h"
#include "proto/encoding.h"
#include "server/http/answer.h"
#include "server/http/output_budget.h"
#include "server/http/request.h"

/* How long the answer lingers for rows that are not in memory, in milliseconds. */
#define ROWS_LINGER_MS 250

/* A request from step 3 on; in the request's pool. */
struct api_batch {
    h2o_req_t *req;
    struct counter *counter;
    struct journal_request *journal_request; /* steps 4 to 8; otherwise NULL */
    struct view_request *view_request;       /* steps 10 and 11; otherwise NULL */
    struct view *view;                       /* the rows that are wanted; NULL: none */
    enum encoding encoding;                  /* of the answer */
    struct buffer counts;                    /* the answer, from step 10 on */
    struct timer linger;                     /* steps 10 and 11 */
};

static void on_journal_result(void *data, const struct journal_result *result);
static void answer_confirmed(struct api_batch *call, const struct batch *batch,
                             const struct journal_result *result);
static void on_more_rows(void *data, const struct view_result *result);
static void on_rows_late(struct timer *timer);
static void answer_counts(struct api_batch *call);
static void on_batch_disposed(void *data);

/* Returns the encoding that a header of the request names. */
static enum encoding requested_encoding(h2o_req_t *req, const char *lower_case_name)
{
    h2o_iovec_t value = request_header(req, lower_case_name);

    return encoding_named(value.base, value.len);
}

void api_hits(struct counter *counter, h2o_req_t *req)
{
    struct api_batch *call;
    struct hits hits;
    struct view view;
    const char *error;

    if (req->entity.len > BATCH_MAX_BODY_BYTES) {
        answer_problem(req, 400, "The body has more than 1,048,576 bytes.");
        return;
    }
    if (api_read_view(req, &view) != 0)
        return;
    if (hits_decode(req->entity.base, req->entity.len, requested_encoding(req, "content-type"),
                    &hits, &error) != 0) {
        answer_problem(req, 400, error);
        return;
    }
    call = h2o_mem_alloc_shared(&req->pool, sizeof(*call), on_batch_disposed);
    *call = (struct api_batch){
        .req = req, .counter = counter, .encoding = requested_encoding(req, "accept")};
    if (req->query_at != SIZE_MAX) {
        call->view = h2o_mem_alloc_pool(&req->pool, sizeof(view));
        *call->view = view;
    }
    call->journal_request = journal_add_batch(counter->journal, &hits, &request_of(req)->trace,
                                              on_journal_result, call);
}

static void on_journal_result(void *data, const struct journal_result *result)
{
    struct api_batch *call = data;
    const struct batch *batch = journal_batch(call->journal_request);

    call->journal_request = NULL;
    switch (result->outcome) {
    case JOURNAL_APPLIED:
    case JOURNAL_REPEAT:
        answer_confirmed(call, batch, result);
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

/* Adds rows to the answer, unless slow clients leave no room for them. */
static void add_rows(struct api_batch *call, const struct rows *rows)
{
    struct buffer encoded = {0};

    rows_encode(&encoded, call->encoding, rows);
    if (output_budget_admit(call->req, call->counts.len + encoded.len, 0))
        counts_add_rows(&call->counts, call->encoding, &encoded);
    buffer_free(&encoded);
}

/* Answers a batch that is committed and applied: the state includes its hits. */
static void answer_confirmed(struct api_batch *call, const struct batch *batch,
                             const struct journal_result *result)
{
    struct counter *counter = call->counter;
    const struct state *state = journal_state(counter->journal);
    struct view_page page;

    counts_encode(&call->counts, call->encoding, batch, result->outcome == JOURNAL_REPEAT,
                  result->hit_counts);
    if (call->view != NULL && !view_is_in_memory(call->view)) {
        call->view_request = views_rows(counter->views, call->view, &request_of(call->req)->trace,
                                        on_more_rows, call);
        timer_start_after(&counter->worker->timers, &call->linger, ROWS_LINGER_MS, on_rows_late);
        return;
    }
    if (call->view != NULL && state != NULL) {
        view_page_of_state(&page, state, call->view);
        add_rows(call, &page.rows);
        view_page_free(&page);
    }
    answer_counts(call);
}

static void on_more_rows(void *data, const struct view_result *result)
{
    struct api_batch *call = data;

    call->view_request = NULL;
    if (result->rows != NULL)
        add_rows(call, result->rows);
    answer_counts(call);
}

/* The rows are late: answers without them. */
static void on_rows_late(struct timer *timer)
{
    struct api_batch *call = H2O_STRUCT_FROM_MEMBER(struct api_batch, linger, timer);

    view_cancel(call->view_request);
    call->view_request = NULL;
    answer_counts(call);
}

/* Sends the counts, with the rows if they were added. */
static void answer_counts(struct api_batch *call)
{
    timer_stop(&call->linger);
    answer_copy(call->req, 200, encoding_media_type(call->encoding), call->counts.bytes,
                call->counts.len);
}

/* The request has ended: cancels what is still in progress. */
static void on_batch_disposed(void *data)
{
    struct api_batch *call = data;

    if (call->journal_request != NULL)
        journal_cancel(call->journal_request);
    if (call->view_request != NULL)
        view_cancel(call->view_request);
    timer_stop(&call->linger);
    buffer_free(&call->counts);
}
