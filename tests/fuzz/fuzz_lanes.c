/* The protocol of the lanes: render-svc's own lanes.c against a model of counter-svc and its ledger.
 * The input is a sequence of events, one byte each with its argument in the next; after each of them
 * must hold what the design promises:
 *  - of every path, confirmed <= stored <= sent
 *  - a confirmed hit was stored exactly once, and before; its number is one that its batch has given
 *  - a batch that was perhaps acted on is only ever sent on its own lane, with its own sequence, and with
 *    as many hits of bots
 *  - what was withdrawn from the open batch is never sent, and never called back
 *  - of the hits as they are counted for metrics, accepted = committed + refused + waiting
 *  - each callback runs once; in the end nobody waits, and nothing is left in memory
 *
 * The model stands in for counter_client, for the timers and for the end of a turn (the linker's
 * --wrap): so there is no time but what the input makes of it.
 */
#include "proto/api.h"
#include "render-svc/lanes.h"
#include "render-svc/render_metrics.h"
#include "service/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ledger_model.h"

#define LONG_PATHS   6 /* from this one on: 64 of them fill a batch */
#define FULL_PATH    5 /* its count is near the end of BIGINT */
#define ROWLESS_PATH 4 /* its hits are counted in the overflow row */
#define MAX_LANES    4
#define MAX_HITS     8192
#define MAX_TIMERS   (MAX_LANES + 1)
#define MAX_WAITING  1500
#define PATIENCE_MS  5

/* A hit as its visitor knows it: memory of its own, path included, for ASan to watch. */
struct visitor {
    struct hit hit;
    size_t path;
    struct model_batch *batch; /* NULL: it has not left */
    size_t index;
    char text[];
};

/* What lanes.c has asked of counter-svc: a lane, or that a batch be counted. */
struct counter_call {
    http_callback callback;
    void *data; /* which of the lanes asks */
    struct model_batch *batch;
    bool wants_rows;
    enum encoding encoding; /* of the batch, and of its answer */
};

static struct {
    const uint8_t *input;
    size_t left;
    uint64_t now_ms;
    struct worker worker;
    struct render_metrics metrics;
    struct lanes_settings settings;
    struct lanes *lanes;
    struct ledger ledger;
    struct counter_call *calls[MAX_LANES];
    size_t n_calls;
    size_t n_tries;
    void *owners[MAX_LANES]; /* each of lanes.c's lanes, and its batch */
    struct model_batch *batches[MAX_LANES];
    struct visitor *visitors[MAX_HITS];
    size_t n_visitors, n_open;
    int64_t confirmed[N_PATHS];
    struct timer *timers[MAX_TIMERS];
    size_t n_timers;
    struct turn_end *turn_end;
    bool is_answering; /* lanes.c is being told an answer */
    bool is_settling;  /* nothing new is begun any more */
    bool is_gone;      /* lanes_destroy has run */
} world;

/* what lanes.c calls instead: of the types of what it stands for */
__typeof__(counter_call) __wrap_counter_call;
__typeof__(counter_call_cancel) __wrap_counter_call_cancel;
__typeof__(timer_start_after) __wrap_timer_start_after;
__typeof__(timer_stop) __wrap_timer_stop;
__typeof__(timer_is_waiting) __wrap_timer_is_waiting;
__typeof__(jitter) __wrap_jitter;
__typeof__(worker_at_turn_end) __wrap_worker_at_turn_end;
__typeof__(turn_end_cancel) __wrap_turn_end_cancel;

static void on_counted(struct hit *hit, struct number told, struct table_rows *rows);
static void end_turn(void);

static const struct trace TRACE = {.id = "4bf92f3577b34da6a3ce929d0e0e4736"};

static uint8_t next_byte(void)
{
    if (world.left == 0)
        return 0;
    --world.left;
    return *world.input++;
}

/* Which of the world's paths this is. */
static size_t path_index(const char *path, size_t len)
{
    size_t index = (size_t)(path[1] - 'a');

    MUST(len >= 2 && index < N_PATHS);
    MUST(len == (index < LONG_PATHS ? 2 : PATH_MAX_BYTES));
    return index;
}

/* Which of lanes.c's lanes asks. */
static size_t owner_index(void *data)
{
    size_t i = 0;

    while (world.owners[i] != NULL && world.owners[i] != data)
        MUST(++i < (size_t)world.settings.lanes);
    world.owners[i] = data;
    return i;
}

/* --- the visitors --- */

static void visit(size_t path, bool wants_rows, bool is_bot)
{
    size_t len = path < LONG_PATHS ? 2 : PATH_MAX_BYTES;
    struct visitor *visitor;

    if (world.n_visitors == MAX_HITS)
        return;
    visitor = calloc(1, sizeof(*visitor) + len);
    MUST(visitor != NULL);
    memset(visitor->text, 'x', len);
    visitor->text[0] = '/';
    visitor->text[1] = (char)('a' + path);
    visitor->path = path;
    visitor->hit.path = visitor->text;
    visitor->hit.path_len = len;
    visitor->hit.wants_rows = wants_rows;
    visitor->hit.is_bot = is_bot;
    visitor->hit.trace = &TRACE;
    if (!lanes_add(world.lanes, &visitor->hit, on_counted)) {
        MUST(world.n_open == MAX_WAITING);
        free(visitor);
        return;
    }
    MUST(visitor->hit.state == HIT_OPEN);
    ++world.n_open;
    visitor->index = world.n_visitors;
    world.visitors[world.n_visitors++] = visitor;
}

static void forget_visitor(struct visitor *visitor)
{
    struct visitor *last = world.visitors[--world.n_visitors];

    world.visitors[visitor->index] = last;
    last->index = visitor->index;
    batch_leave(visitor->batch);
    free(visitor);
}

static void withdraw(size_t index)
{
    struct visitor *visitor;

    if (world.n_visitors == 0)
        return;
    visitor = world.visitors[index % world.n_visitors];
    MUST((visitor->hit.state == HIT_OPEN) == (visitor->batch == NULL));
    if (visitor->hit.state == HIT_OPEN)
        --world.n_open;
    hit_withdraw(&visitor->hit);
    MUST(visitor->hit.state == HIT_NONE);
    forget_visitor(visitor);
}

static void on_counted(struct hit *hit, struct number told, struct table_rows *rows)
{
    struct visitor *visitor = H2O_STRUCT_FROM_MEMBER(struct visitor, hit, hit);
    struct model_batch *batch = visitor->batch;
    size_t path = visitor->path;
    int64_t number = told.count;
    bool hit_was_bot = hit->is_bot;

    MUST(!world.is_gone && world.is_answering && batch != NULL);
    MUST(hit->state == HIT_NONE);
    if (number != 0) {
        MUST(batch->confirmed && batch->stored == 1);
        MUST(++world.confirmed[path] <= world.ledger.stored[path]);
        MUST(number > 0 && number <= world.ledger.counts[path]);
        MUST(told.overflow == (path == ROWLESS_PATH));
        ++batch->told[path]; /* in the order in which they came; a repeat tells the counts of now */
        if (!batch->repeated && batch->counts[path] != INT64_MAX)
            MUST(number == batch->counts[path] - batch->hits[path] + batch->told[path]);
    } else {
        MUST(batch->dropped && rows == NULL);
    }
    forget_visitor(visitor);
    if (world.is_settling)
        return;
    switch (next_byte()) { /* a visitor who is answered may go, with others, or come again */
    case 1:
        withdraw(next_byte());
        break;
    case 2:
        visit(path, false, hit_was_bot);
        break;
    default:
        break;
    }
}

/* --- what lanes.c asks for --- */

/* The batch that has just left: the hits that have left since the last are those in it. */
static struct model_batch *new_batch(const struct batch *batch)
{
    struct model_batch *model = calloc(1, sizeof(*model));
    int64_t left[N_PATHS] = {0}, bots_left[N_PATHS] = {0};

    MUST(model != NULL);
    for (size_t i = 0; i < batch->size; ++i) {
        size_t path = path_index(batch->entries[i].path, batch->entries[i].path_len);
        model->hits[path] = batch->entries[i].hits;
        model->bot_hits[path] = batch->entries[i].bot_hits;
        world.ledger.sent[path] += batch->entries[i].hits;
    }
    for (size_t i = 0; i < world.n_visitors; ++i) {
        struct visitor *visitor = world.visitors[i];
        if (visitor->hit.state != HIT_AWAY || visitor->batch != NULL)
            continue;
        ++left[visitor->path];
        bots_left[visitor->path] += visitor->hit.is_bot;
        --world.n_open;
        visitor->batch = batch_keep(model);
    }
    MUST(memcmp(left, model->hits, sizeof(left)) == 0);
    MUST(memcmp(bots_left, model->bot_hits, sizeof(bots_left)) == 0);
    return model;
}

/* A batch that was sent before is what it was; it moves only if nobody can have acted on it. */
static void check_again(const struct model_batch *model, const struct batch *batch)
{
    int64_t hits[N_PATHS] = {0}, bot_hits[N_PATHS] = {0};

    for (size_t i = 0; i < batch->size; ++i) {
        size_t path = path_index(batch->entries[i].path, batch->entries[i].path_len);
        hits[path] = batch->entries[i].hits;
        bot_hits[path] = batch->entries[i].bot_hits;
    }
    MUST(memcmp(hits, model->hits, sizeof(hits)) == 0);
    MUST(memcmp(bot_hits, model->bot_hits, sizeof(bot_hits)) == 0);
    if (batch->lane != model->lane || batch->sequence != model->sequence)
        MUST(model->refused && !model->may_be_done && model->stored == 0);
    else
        MUST(!model->refused);
}

static struct model_batch *sent_batch(size_t owner, const struct buffer *body,
                                      enum encoding encoding)
{
    struct model_batch *model = world.batches[owner];
    const char *error = NULL;
    struct hits hits;

    MUST(hits_decode(body->bytes, body->len, encoding, &hits, &error) == 0);
    if (model == NULL || model->confirmed || model->dropped) {
        batch_leave(model);
        model = new_batch(&hits.batch);
        world.batches[owner] = batch_keep(model);
    } else {
        check_again(model, &hits.batch);
    }
    for (size_t i = 0; i < (size_t)world.settings.lanes; ++i)
        MUST(i == owner || world.batches[i] == NULL || world.batches[i]->confirmed ||
             world.batches[i]->dropped || world.batches[i]->lane != hits.batch.lane);
    model->lane = hits.batch.lane;
    model->sequence = hits.batch.sequence;
    model->refused = false;
    hits_free(&hits);
    return model;
}

struct counter_call *__wrap_counter_call(struct counter_client *client, const char *method,
                                         const char *target, http_encode encode,
                                         const struct trace *trace, http_callback callback,
                                         void *data)
{
    struct counter_call *call = calloc(1, sizeof(*call));
    size_t owner = owner_index(data);
    struct buffer body = {0};

    (void)client;
    MUST(call != NULL && !world.is_gone && world.n_calls < (size_t)world.settings.lanes);
    for (size_t i = 0; i < world.n_calls; ++i)
        MUST(world.calls[i]->data != data); /* one batch of a lane is away at a time */
    MUST(strcmp(method, "POST") == 0);
    *call = (struct counter_call){.callback = callback, .data = data};
    call->wants_rows = strchr(target, '?') != NULL;
    if (strcmp(target, API_LANES) != 0) {
        MUST(strcmp(target, call->wants_rows ? API_HITS TABLE_VIEW : API_HITS) == 0);
        MUST(strcmp(trace->id, TRACE.id) == 0);
        /* each try is over a connection that has offered MessagePack, or has not */
        call->encoding = world.n_tries++ % 3 == 0 ? ENCODING_JSON : ENCODING_MSGPACK;
        encode(data, call->encoding, &body);
        call->batch = batch_keep(sent_batch(owner, &body, call->encoding));
        buffer_free(&body);
    }
    world.calls[world.n_calls++] = call;
    return call;
}

static void remove_call(struct counter_call *call)
{
    size_t i = 0;

    while (world.calls[i] != call)
        MUST(++i < world.n_calls);
    world.calls[i] = world.calls[--world.n_calls];
}

void __wrap_counter_call_cancel(struct counter_call *call)
{
    remove_call(call);
    batch_leave(call->batch);
    free(call);
}

/* --- counter-svc --- */

/* Hands the answer over; the call is gone with it. */
static void answer(struct counter_call *call, enum http_outcome outcome, int status,
                   const struct buffer *body)
{
    char *copy = malloc(body->len + 1); /* good during the callback, and no longer */
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
        outcome = HTTP_UNKNOWN; /* but its answer is lost */
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
    struct number numbers[N_PATHS];
    struct batch batch = {.lane = call->batch->lane, .sequence = call->batch->sequence};
    struct buffer encoded = {0};

    for (size_t i = 0; i < N_PATHS; ++i) /* a repeat tells the counts of now */
        if (call->batch->hits[i] != 0)
            numbers[batch.size++] = (struct number){call->batch->repeated ? world.ledger.counts[i]
                                                                          : call->batch->counts[i],
                                                    i == ROWLESS_PATH};
    counts_encode(body, call->encoding, &batch, call->batch->repeated, numbers);
    if (!with_rows)
        return;
    rows_encode(&encoded, call->encoding, &rows);
    counts_add_rows(body, call->encoding, &encoded);
    buffer_free(&encoded);
}

/* counter-svc answers, as the ledger has it. */
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

/* Nobody can say any more whether it was acted on. */
static void answer_doubtfully(struct counter_call *call, enum http_outcome outcome, int status,
                              const struct buffer *body)
{
    call->batch->may_be_done = true;
    answer(call, outcome, status, body);
}

/* It cannot be stored, which ends its lane; unless it is stored already. */
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

/* An answer, but not to this batch. */
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
    case 4: /* acted on, and the answer lost */
        (void)ledger_apply(&world.ledger, call->batch);
        answer_doubtfully(call, HTTP_UNKNOWN, 0, &body);
        break;
    case 5: /* lost on its way there */
        answer_doubtfully(call, HTTP_UNKNOWN, 0, &body);
        break;
    case 6: /* late on its way there */
        ledger_delay(&world.ledger, call->batch);
        answer_doubtfully(call, HTTP_UNKNOWN, 0, &body);
        break;
    case 7:
        answer(call, HTTP_NOT_SENT, 0, &body);
        break;
    case 8: /* acted on, and yet not confirmed */
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

/* --- time --- */

void __wrap_timer_start_after(struct timers *timers, struct timer *timer, uint64_t duration_ms,
                              void (*on_due)(struct timer *))
{
    MUST(timers == &world.worker.timers && !world.is_gone);
    MUST(!__wrap_timer_is_waiting(timer) && world.n_timers < MAX_TIMERS);
    timer->_due_ms = world.now_ms + duration_ms;
    timer->_on_due = on_due;
    world.timers[world.n_timers++] = timer;
}

bool __wrap_timer_is_waiting(const struct timer *timer)
{
    for (size_t i = 0; i < world.n_timers; ++i)
        if (world.timers[i] == timer)
            return true;
    return false;
}

void __wrap_timer_stop(struct timer *timer)
{
    for (size_t i = 0; i < world.n_timers; ++i)
        if (world.timers[i] == timer)
            world.timers[i] = world.timers[--world.n_timers];
}

uint64_t __wrap_jitter(uint64_t limit)
{
    return limit == 0 ? 0 : next_byte() % limit;
}

static struct timer *first_timer(void)
{
    struct timer *first = NULL;

    for (size_t i = 0; i < world.n_timers; ++i)
        if (first == NULL || world.timers[i]->_due_ms < first->_due_ms)
            first = world.timers[i];
    return first;
}

static void pass(uint64_t duration_ms)
{
    struct timer *timer;

    world.now_ms += duration_ms;
    while ((timer = first_timer()) != NULL && timer->_due_ms <= world.now_ms) {
        __wrap_timer_stop(timer);
        timer->_on_due(timer);
    }
}

void __wrap_worker_at_turn_end(struct worker *worker, struct turn_end *turn_end,
                               void (*run)(struct turn_end *turn_end))
{
    MUST(worker == &world.worker && !world.is_gone);
    turn_end->_run = run;
    world.turn_end = turn_end;
}

void __wrap_turn_end_cancel(struct turn_end *turn_end)
{
    MUST(world.turn_end == NULL || world.turn_end == turn_end);
    world.turn_end = NULL;
}

static void end_turn(void)
{
    struct turn_end *turn_end = world.turn_end;

    world.turn_end = NULL;
    if (turn_end != NULL)
        turn_end->_run(turn_end);
    /* a lane is free, and nobody waits for more hits or for a pause to end: then nobody is left */
    if (world.n_calls < (size_t)world.settings.lanes && world.n_timers == 0)
        MUST(world.n_open == 0);
}

/* --- an input --- */

static void begin(void)
{
    log_init("fuzz", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    world.settings =
        (struct lanes_settings){.lanes = 1 + next_byte() % MAX_LANES, .max_waiting = MAX_WAITING};
    ledger_init(&world.ledger);
    world.ledger.counts[FULL_PATH] = INT64_MAX - 3;
    world.worker.metrics = &world.metrics.service;
    world.lanes = lanes_create(&world.worker, NULL, &world.settings);
}

static void check_metrics(void)
{
    const struct render_metrics *metrics = &world.metrics;
    uint64_t known = metrics->committed, lanes = 0;

    for (size_t i = 0; i < N_REFUSED; ++i)
        known += metrics->refused[i];
    for (size_t i = 0; i < N_WAITING; ++i)
        known += metrics->waiting[i];
    for (size_t i = 0; i < METRICS_N_LANE_STATES; ++i)
        lanes += metrics->lanes[i];
    MUST(metrics->accepted == known);
    MUST(metrics->waiting[WAITING_OPEN] == world.n_open);
    MUST(lanes == (uint64_t)world.settings.lanes);
}

static void step(uint8_t event)
{
    uint8_t argument = next_byte();

    switch (event % 8) {
    case 0:
        visit(argument % N_PATHS, argument & 16, argument & 32);
        break;
    case 1:
        for (unsigned i = 0; i < (unsigned)argument * 8; ++i)
            visit((argument + i * (argument & 1)) % N_PATHS, false, i % 3 == 0);
        break;
    case 2:
        withdraw(argument);
        break;
    case 3:
        end_turn();
        answer_some(next_byte(), argument);
        break;
    case 4:
        end_turn();
        pass(argument % 2 ? PATIENCE_MS : (uint64_t)argument * 4);
        break;
    case 5:
        if (argument % 64 < world.ledger.issued) /* a day has passed without a word of it */
            ledger_forget(&world.ledger, world.ledger.issued - argument % 64);
        break;
    case 6:
        if (argument & 128)
            ledger_lose(&world.ledger);
        else
            ledger_arrive(&world.ledger, argument);
        break;
    default:
        end_turn();
        break;
    }
}

/* Everything gets well: then nobody waits any more, and what is confirmed or dropped is all. */
static void settle(void)
{
    world.is_settling = true;
    world.left = 0;
    for (unsigned round = 0; world.n_visitors != 0; ++round) {
        MUST(round < MAX_HITS);
        end_turn();
        while (world.n_calls != 0)
            answer_some(0, 0);
        end_turn();
        pass(1000);
    }
}

static void end(void)
{
    lanes_destroy(world.lanes);
    world.is_gone = true;
    MUST(world.n_calls == 0 && world.n_timers == 0 && world.turn_end == NULL);
    while (world.n_visitors != 0) {
        MUST(world.visitors[0]->hit.state == HIT_NONE);
        forget_visitor(world.visitors[0]);
    }
    for (size_t i = 0; i < MAX_LANES; ++i)
        batch_leave(world.batches[i]);
    ledger_fini(&world.ledger);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool to_the_end = size != 0 && data[size - 1] & 1;

    memset(&world, 0, sizeof(world));
    world.input = data;
    world.left = size;
    begin();
    while (world.left >= 2 && world.ledger.issued < MAX_ISSUED / 2) {
        step(next_byte());
        check_metrics();
    }
    if (to_the_end)
        settle();
    end();
    return 0;
}
