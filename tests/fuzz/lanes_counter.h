/* Answers of counter-svc according to the model of its ledger, and faults of these answers. */
#ifndef TESTS_FUZZ_LANES_COUNTER_H
#define TESTS_FUZZ_LANES_COUNTER_H

#include "tests/fuzz/lanes_calls.h"

/* Passes on the answer and frees the call. */
static void answer(struct counter_call *call, enum http_outcome outcome, int status,
                   const struct buffer *body)
{
    char *copy = malloc(body->len + 1); /* valid during the callback only */
    struct http_answer answer = {
        .outcome = outcome, .status = status, .len = body->len, .encoding = call->encoding};

    MUST(copy != NULL);
    if (body->len != 0)
        memcpy(copy, body->bytes, body->len);
    answer.body = copy;
    answer.reason = outcome == HTTP_ANSWERED ? NULL : "the network";
    remove_call(call);
    world.is_answering = true;
    call->callback(call->data, &answer);
    world.is_answering = false;
    batch_leave(call->batch);
    free(copy);
    free(call);
}

static void answer_lane(struct counter_call *call, uint8_t fate)
{
    struct buffer body = {0};
    enum http_outcome outcome = HTTP_ANSWERED;
    int64_t lane = fate % 8 < 6 ? ledger_issue(&world.ledger) : 0;
    int status = 201;

    switch (fate % 8) {
    case 4:
        outcome = HTTP_UNKNOWN; /* its answer is lost */
        break;
    case 5:
        buffer_add_literal(&body, "{\"lane\": \"one\"}");
        break;
    case 6:
        outcome = HTTP_NOT_SENT;
        break;
    case 7:
        status = 503;
        break;
    default:
        lane_encode(&body, lane);
    }
    answer(call, outcome, status, &body);
    buffer_free(&body);
}

static void encode_counts(struct buffer *body, const struct counter_call *call, bool with_rows)
{
    struct row row = {"/a", 2, 1, 0};
    struct rows rows = {.size = 1, .rows = &row, .totals = {1, 1, 0}};
    struct hit_count hit_counts[N_PATHS];
    struct batch batch = {.lane = call->batch->lane, .sequence = call->batch->sequence};
    struct buffer encoded = {0};

    for (size_t i = 0; i < N_PATHS; ++i) /* the answer to a repeat has the present counts */
        if (call->batch->hits[i] != 0)
            hit_counts[batch.size++] = (struct hit_count){
                call->batch->repeated ? world.ledger.counts[i] : call->batch->counts[i],
                i == ROWLESS_PATH};
    counts_encode(body, call->encoding, &batch, call->batch->repeated, hit_counts);
    if (!with_rows)
        return;
    rows_encode(&encoded, call->encoding, &rows);
    counts_add_rows(body, call->encoding, &encoded);
    buffer_free(&encoded);
}

/* Answers according to the ledger. */
static void answer_truly(struct counter_call *call, struct buffer *body, bool with_rows)
{
    struct model_batch *batch = call->batch;
    int status = ledger_apply(&world.ledger, batch);

    ledger_confirm(&world.ledger);
    if (status == 200) {
        batch->confirmed = true;
        encode_counts(body, call, with_rows && call->wants_rows);
    } else {
        batch->refused = !batch->may_be_done;
        batch->dropped = batch->may_be_done;
    }
    answer(call, HTTP_ANSWERED, status, body);
}

/* The outcome of the batch is unknown. */
static void answer_doubtfully(struct counter_call *call, enum http_outcome outcome, int status,
                              const struct buffer *body)
{
    call->batch->may_be_done = true;
    answer(call, outcome, status, body);
}

/* The batch cannot be stored, which ends its lane. A batch that was stored before is a repeat. */
static void refuse_data(struct counter_call *call, struct buffer *body, int status)
{
    if (!ledger_expects(&world.ledger, call->batch)) {
        answer_truly(call, body, false);
        return;
    }
    ledger_forget(&world.ledger, call->batch->lane);
    call->batch->dropped = true;
    answer(call, HTTP_ANSWERED, status, body);
}

/* Answers another batch. */
static void answer_another(struct counter_call *call, struct buffer *body)
{
    if (ledger_apply(&world.ledger, call->batch) == 200) {
        ++call->batch->sequence;
        encode_counts(body, call, false);
        --call->batch->sequence;
    }
    answer_doubtfully(call, HTTP_ANSWERED, 200, body);
}

static void answer_batch(struct counter_call *call, uint8_t fate)
{
    struct buffer body = {0};

    switch (fate % 12) {
    case 4: /* stored, and the answer is lost */
        (void)ledger_apply(&world.ledger, call->batch);
        answer_doubtfully(call, HTTP_UNKNOWN, 0, &body);
        break;
    case 5: /* the request is lost */
        answer_doubtfully(call, HTTP_UNKNOWN, 0, &body);
        break;
    case 6: /* the request is late */
        ledger_delay(&world.ledger, call->batch);
        answer_doubtfully(call, HTTP_UNKNOWN, 0, &body);
        break;
    case 7:
        answer(call, HTTP_NOT_SENT, 0, &body);
        break;
    case 8: /* stored, but not confirmed */
        (void)ledger_apply(&world.ledger, call->batch);
        answer_doubtfully(call, HTTP_ANSWERED, 503, &body);
        break;
    case 9:
        answer_doubtfully(call, HTTP_ANSWERED, fate & 16 ? 503 : 401, &body);
        break;
    case 10:
        refuse_data(call, &body, fate & 16 ? 422 : 400);
        break;
    case 11:
        answer_another(call, &body);
        break;
    default:
        answer_truly(call, &body, fate & 16);
    }
    buffer_free(&body);
}

static void answer_some(uint8_t which, uint8_t fate)
{
    struct counter_call *call;

    if (world.n_calls == 0)
        return;
    call = world.calls[which % world.n_calls];
    if (call->batch == NULL)
        answer_lane(call, fate);
    else
        answer_batch(call, fate);
}

#endif
