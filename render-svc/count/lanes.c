#include "render-svc/count/lanes.h"

#include "base/invariant.h"
#include "proto/api.h"
#include "render-svc/count/render_metrics.h"
#include "server/ops/log.h"

#include <stdlib.h>
#include <string.h>

/* The pause before a batch of unknown fate is sent again: doubles up to the most, with jitter. */
#define MIN_PAUSE_MS 10
#define MAX_PAUSE_MS 500

/* How long a few hits may wait for more while many are away: about as long as a large batch is. */
#define LINGER_MS 5

/* In the order of their names in metrics. */
enum lane_state { LANE_OPENING, LANE_FREE, LANE_IN_FLIGHT, LANE_PAUSING, N_LANE_STATES };
_Static_assert(N_LANE_STATES == METRICS_N_LANE_STATES, "each state has its number");

/* The states that may follow each state, a bit for each: the diagram in lanes.h. */
#define BIT(state) (1U << (state))
static const unsigned FOLLOWING[N_LANE_STATES] = {
    [LANE_OPENING] = BIT(LANE_FREE) | BIT(LANE_IN_FLIGHT) | BIT(LANE_PAUSING),
    [LANE_FREE] = BIT(LANE_IN_FLIGHT),
    [LANE_IN_FLIGHT] = BIT(LANE_FREE) | BIT(LANE_PAUSING) | BIT(LANE_OPENING),
    [LANE_PAUSING] = BIT(LANE_IN_FLIGHT) | BIT(LANE_OPENING),
};

struct lane {
    struct lanes *lanes;
    enum lane_state state;
    int64_t id;       /* 0: none yet, or given up */
    int64_t sequence; /* of the last batch that was confirmed */
    struct counter_call *call;
    struct timer pause;
    uint64_t pause_ms;

    /* the batch; size 0: none */
    struct batch batch;
    struct batch_entry entries[BATCH_MAX_PATHS];
    char *paths;         /* what the entries point into */
    struct trace trace;  /* of the first hit */
    size_t n_hits;       /* that left with it */
    uint64_t left_ns;    /* when they did */
    h2o_linklist_t hits; /* that still wait for it, in the order in which they came */
    bool wants_rows;     /* somebody among the hits does */
    bool was_sent;       /* a try before this one may have been acted on */
};

struct lanes {
    struct worker *worker;
    struct counter_client *client;
    const struct lanes_settings *settings;
    struct render_metrics *metrics;
    h2o_linklist_t open; /* the open batch */
    int64_t n_open;
    struct deferred deferred;
    struct timer linger;
    size_t n_lanes;
    struct lane lanes[];
};

static void dispatch_open_batch(struct deferred *deferred);
static void on_linger_over(struct timer *timer);
static void depart(struct lane *lane);
static void open_lane(struct lane *lane);
static void ask_for_lane(struct lane *lane);
static bool on_lane_opened(void *data, const struct http_answer *answer);
static void send_batch(struct lane *lane);
static void encode_batch(void *data, enum encoding encoding, struct buffer *to);
static bool on_batch_answered(void *data, const struct http_answer *answer);
static void pause_lane(struct lane *lane);
static void on_pause_over(struct timer *timer);
static void confirm(struct lane *lane, const struct hit_count *numbers, struct shared_rows *rows);
static void give_up(struct lane *lane, int status);

struct lanes *lanes_create(struct worker *worker, struct counter_client *client,
                           const struct lanes_settings *settings)
{
    size_t size = (size_t)settings->lanes * sizeof(struct lane);
    struct lanes *lanes = h2o_mem_alloc(sizeof(*lanes) + size);

    memset(lanes, 0, sizeof(*lanes) + size);
    lanes->worker = worker;
    lanes->client = client;
    lanes->settings = settings;
    lanes->metrics = render_metrics_of(worker);
    lanes->n_lanes = (size_t)settings->lanes;
    h2o_linklist_init_anchor(&lanes->open);
    for (size_t i = 0; i < lanes->n_lanes; ++i) {
        struct lane *lane = &lanes->lanes[i];
        lane->lanes = lanes;
        lane->batch.entries = lane->entries;
        lane->paths = h2o_mem_alloc(BATCH_MAX_PATH_BYTES);
        h2o_linklist_init_anchor(&lane->hits);
        metric_add(&lanes->metrics->lanes[LANE_OPENING], 1);
        ask_for_lane(lane);
    }
    return lanes;
}

/* --- hits --- */

static struct hit *hit_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct hit, _link, link);
}

/* When this turn of the loop began. */
static uint64_t now_ms(const struct lanes *lanes)
{
    return atomic_load_explicit(&lanes->worker->last_turn_ms, memory_order_relaxed);
}

/* Whether more than a batch waits, and has for so long that a further hit, which waits at least as
 * long as the first one did, would hardly be confirmed in time. */
static bool is_expired(const struct lanes *lanes)
{
    return lanes->n_open >= BATCH_MAX_PATHS &&
           now_ms(lanes) - hit_of(lanes->open.next)->_since_ms > lanes->settings->max_wait_ms;
}

static void set_n_open(struct lanes *lanes, int64_t number)
{
    INVARIANT(number >= 0);
    INVARIANT((number == 0) == h2o_linklist_is_empty(&lanes->open));
    lanes->n_open = number;
    metric_set(&lanes->metrics->waiting[WAITING_OPEN], (uint64_t)number);
}

bool lanes_add(struct lanes *lanes, struct hit *hit, hit_callback callback)
{
    INVARIANT(hit->state == HIT_NONE);
    metric_add(&lanes->metrics->accepted, 1);
    if (lanes->n_open >= lanes->settings->max_waiting || is_expired(lanes)) {
        metric_add(&lanes->metrics->refused[REFUSED_FULL], 1);
        return false;
    }
    hit->_since_ms = now_ms(lanes);
    hit->_lanes = lanes;
    hit->_callback = callback;
    hit->state = HIT_OPEN;
    h2o_linklist_insert(&lanes->open, &hit->_link);
    set_n_open(lanes, lanes->n_open + 1);
    worker_defer(lanes->worker, &lanes->deferred, dispatch_open_batch);
    return true;
}

void hit_cancel(struct hit *hit)
{
    struct lanes *lanes = hit->_lanes;

    if (hit->state == HIT_NONE)
        return;
    h2o_linklist_unlink(&hit->_link);
    if (hit->state == HIT_OPEN) {
        set_n_open(lanes, lanes->n_open - 1);
        metric_add(&lanes->metrics->refused[REFUSED_EXPIRED], 1);
    } else {
        metric_add(&lanes->metrics->unconfirmed, 1);
    }
    hit->state = HIT_NONE;
}

static void answer_hit(struct hit *hit, struct hit_count number, struct shared_rows *rows)
{
    INVARIANT(hit->state == HIT_IN_FLIGHT);
    h2o_linklist_unlink(&hit->_link);
    hit->state = HIT_NONE;
    hit->_callback(hit, number, rows);
}

/* --- a batch's way --- */

/* Whether the open batch shall leave, or rather wait for more hits: a commit costs much more than a
 * hit in it, so few do not leave while many are away. They do when one of those batches comes back,
 * and when LINGER_MS are over. */
static bool is_worth_a_batch(const struct lanes *lanes)
{
    size_t most = 0;

    for (size_t i = 0; i < lanes->n_lanes; ++i)
        if (lanes->lanes[i].state == LANE_IN_FLIGHT && lanes->lanes[i].n_hits > most)
            most = lanes->lanes[i].n_hits;
    return (size_t)lanes->n_open >= most / 2;
}

static void depart_all(struct lanes *lanes)
{
    timer_stop(&lanes->linger);
    for (size_t i = 0; i < lanes->n_lanes && lanes->n_open != 0; ++i)
        if (lanes->lanes[i].state == LANE_FREE)
            depart(&lanes->lanes[i]);
}

static void dispatch_open_batch(struct deferred *deferred)
{
    struct lanes *lanes = H2O_STRUCT_FROM_MEMBER(struct lanes, deferred, deferred);

    if (is_worth_a_batch(lanes))
        depart_all(lanes);
    else if (!timer_is_waiting(&lanes->linger))
        timer_start_after(&lanes->worker->timers, &lanes->linger, LINGER_MS, on_linger_over);
}

static void on_linger_over(struct timer *timer)
{
    depart_all(H2O_STRUCT_FROM_MEMBER(struct lanes, linger, timer));
}

/* The hits of all entries. */
static int64_t hits_of(const struct batch *batch)
{
    int64_t hits = 0;

    for (size_t i = 0; i < batch->size; ++i) {
        INVARIANT(batch->entries[i].bot_hits <= batch->entries[i].hits);
        hits += batch->entries[i].hits;
    }
    return hits;
}

/* Takes hits from the open batch, as many as one batch may have, and sends them off. */
static void depart(struct lane *lane)
{
    struct lanes *lanes = lane->lanes;
    size_t bytes = 0, size = 0;

    INVARIANT(lane->batch.size == 0 && h2o_linklist_is_empty(&lane->hits));
    lane->wants_rows = false;
    lane->trace = *hit_of(lanes->open.next)->trace;
    while (lanes->n_open != 0 && size < BATCH_MAX_PATHS) {
        struct hit *hit = hit_of(lanes->open.next);
        if (bytes + hit->path_len > BATCH_MAX_PATH_BYTES)
            break;
        memcpy(lane->paths + bytes, hit->path, hit->path_len);
        lane->entries[size++] =
            (struct batch_entry){lane->paths + bytes, hit->path_len, 1, hit->is_bot};
        bytes += hit->path_len;
        h2o_linklist_unlink(&hit->_link);
        set_n_open(lanes, lanes->n_open - 1);
        hit->state = HIT_IN_FLIGHT;
        lane->wants_rows |= hit->wants_rows;
        h2o_linklist_insert(&lane->hits, &hit->_link);
    }
    lane->n_hits = size;
    lane->left_ns = monotonic_ns();
    metric_add(&lanes->metrics->waiting[WAITING_IN_FLIGHT], size);
    histogram_add_size(&lanes->metrics->batch_hits, size);
    lane->batch.size = batch_sort(lane->entries, size);
    INVARIANT(hits_of(&lane->batch) == (int64_t)lane->n_hits);
    lane->was_sent = false;
    send_batch(lane);
}

static void set_state(struct lane *lane, enum lane_state state)
{
    INVARIANT(FOLLOWING[lane->state] & BIT(state));
    metric_subtract(&lane->lanes->metrics->lanes[lane->state], 1);
    metric_add(&lane->lanes->metrics->lanes[state], 1);
    lane->state = state;
}

/* Sends the batch, for the first time or again. One that may have been acted on keeps its lane and its
 * sequence: by these counter-svc recognizes it. */
static void send_batch(struct lane *lane)
{
    struct http_request request = {.method = "POST",
                                   .target = lane->wants_rows ? API_HITS RANKING_QUERY : API_HITS,
                                   .encode = encode_batch,
                                   .encode_data = lane,
                                   .trace = &lane->trace};

    set_state(lane, LANE_IN_FLIGHT);
    INVARIANT(lane->call == NULL && lane->id > 0 && lane->batch.size > 0);
    INVARIANT(!lane->was_sent ||
              (lane->batch.lane == lane->id && lane->batch.sequence == lane->sequence + 1));
    lane->batch.lane = lane->id;
    lane->batch.sequence = lane->sequence + 1;
    lane->call = counter_call(lane->lanes->client, &request, on_batch_answered, lane);
}

static void encode_batch(void *data, enum encoding encoding, struct buffer *to)
{
    const struct lane *lane = data;

    hits_encode(to, encoding, &lane->batch);
}

static bool on_batch_answered(void *data, const struct http_answer *answer)
{
    struct lane *lane = data;
    struct counts counts;
    int status = answer->outcome == HTTP_ANSWERED ? answer->status : 0;
    const char *error = answer->reason;

    INVARIANT(lane->state == LANE_IN_FLIGHT);
    lane->call = NULL;
    if (status == 200 && counts_decode(answer->body, answer->len, answer->encoding, &lane->batch,
                                       &counts, &error) == 0) {
        struct shared_rows rows = {.rows = &counts.rows};
        if (counts.repeat) {
            metric_add(&lane->lanes->metrics->repeated, lane->n_hits);
            log_event(LOG_LEVEL_INFO, "batch-repeated", "lane=%lld sequence=%lld hits=%zu trace=%s",
                      (long long)lane->id, (long long)lane->batch.sequence, lane->n_hits,
                      lane->trace.id);
        }
        confirm(lane, counts.numbers, counts.has_rows ? &rows : NULL);
        shared_rows_fini(&rows);
        rows_free(&counts.rows);
        return true;
    }
    if (status == 409 && !lane->was_sent) {
        lane->id = 0;
        pause_lane(lane); /* then the batch goes on a new lane */
        return true;
    }
    if (status >= 400 && status < 500 && status != 401) {
        give_up(lane, status); /* but for a 401: the token may be about to be changed */
        return true;
    }
    log_event(LOG_LEVEL_DEBUG, "batch-unanswered",
              "lane=%lld sequence=%lld hits=%zu status=%d reason=%s trace=%s", (long long)lane->id,
              (long long)lane->batch.sequence, lane->n_hits, status,
              LOG_QUOTED(error != NULL ? error : "the status"), lane->trace.id);
    lane->was_sent |= answer->outcome != HTTP_NOT_SENT;
    pause_lane(lane);
    return status >= 400;
}

static void pause_lane(struct lane *lane)
{
    uint64_t pause_ms = lane->pause_ms;

    set_state(lane, LANE_PAUSING);
    lane->pause_ms = pause_ms == 0                 ? MIN_PAUSE_MS
                     : pause_ms < MAX_PAUSE_MS / 2 ? pause_ms * 2
                                                   : MAX_PAUSE_MS;
    timer_start_after(&lane->lanes->worker->timers, &lane->pause,
                      lane->pause_ms / 2 + jitter(lane->pause_ms / 2), on_pause_over);
}

static void on_pause_over(struct timer *timer)
{
    struct lane *lane = H2O_STRUCT_FROM_MEMBER(struct lane, pause, timer);

    if (lane->id == 0)
        open_lane(lane);
    else
        send_batch(lane);
}

/* The lane has nothing away: the open batch, if there is one, leaves at the end of the turn. */
static void set_free(struct lane *lane)
{
    set_state(lane, LANE_FREE);
    lane->batch.size = 0;
    lane->pause_ms = 0;
    if (lane->lanes->n_open != 0)
        worker_defer(lane->lanes->worker, &lane->lanes->deferred, dispatch_open_batch);
}

/* The batch is on disk: each hit that still waits gets a number of its own, in the order in which
 * they came. */
static void confirm(struct lane *lane, const struct hit_count *numbers, struct shared_rows *rows)
{
    struct render_metrics *metrics = lane->lanes->metrics;

    metric_add(&metrics->committed, lane->n_hits);
    metric_subtract(&metrics->waiting[WAITING_IN_FLIGHT], lane->n_hits);
    histogram_add_ns(&metrics->batch_seconds, monotonic_ns() - lane->left_ns);
    lane->sequence = lane->batch.sequence;
    while (!h2o_linklist_is_empty(&lane->hits)) {
        struct hit *hit = hit_of(lane->hits.next);
        struct batch_entry *entry = batch_find(&lane->batch, hit->path, hit->path_len);
        struct hit_count number;
        INVARIANT(entry != NULL);
        number = numbers[entry - lane->entries];
        if (number.count != INT64_MAX) {
            INVARIANT(entry->hits > 0);
            number.count -= --entry->hits;
        }
        /* a repeat tells the counts of now: somebody may have changed the row by hand since */
        if (number.count < 1)
            number.count = 1;
        answer_hit(hit, number, rows);
    }
    set_free(lane);
}

/* The batch is dropped, and the lane: nobody can say any more what became of it, or it was refused.
 */
static void give_up(struct lane *lane, int status)
{
    log_event(LOG_LEVEL_WARNING, "batch-given-up",
              "lane=%lld sequence=%lld hits=%zu status=%d trace=%s", (long long)lane->id,
              (long long)lane->batch.sequence, lane->n_hits, status, lane->trace.id);
    metric_add(&lane->lanes->metrics->refused[REFUSED_GIVEN_UP], lane->n_hits);
    metric_subtract(&lane->lanes->metrics->waiting[WAITING_IN_FLIGHT], lane->n_hits);
    while (!h2o_linklist_is_empty(&lane->hits))
        answer_hit(hit_of(lane->hits.next), (struct hit_count){0}, NULL);
    lane->batch.size = 0;
    lane->id = 0;
    open_lane(lane);
}

/* --- lanes --- */

static void open_lane(struct lane *lane)
{
    set_state(lane, LANE_OPENING);
    ask_for_lane(lane);
}

static void ask_for_lane(struct lane *lane)
{
    static const struct http_request REQUEST = {.method = "POST", .target = API_LANES};

    INVARIANT(lane->call == NULL && lane->id == 0);
    lane->call = counter_call(lane->lanes->client, &REQUEST, on_lane_opened, lane);
}

static bool on_lane_opened(void *data, const struct http_answer *answer)
{
    struct lane *lane = data;
    const char *error;

    INVARIANT(lane->state == LANE_OPENING);
    lane->call = NULL;
    if (answer->outcome != HTTP_ANSWERED || answer->status != 201 ||
        lane_decode(answer->body, answer->len, &lane->id, &error) != 0) {
        lane->id = 0;
        pause_lane(lane);
        return answer->outcome == HTTP_ANSWERED && answer->status >= 400;
    }
    lane->sequence = 0;
    lane->was_sent = false;
    if (lane->batch.size != 0)
        send_batch(lane);
    else
        set_free(lane);
    return true;
}

void lanes_destroy(struct lanes *lanes)
{
    if (lanes == NULL)
        return;
    for (size_t i = 0; i < lanes->n_lanes; ++i) {
        struct lane *lane = &lanes->lanes[i];
        if (lane->call != NULL)
            counter_call_cancel(lane->call);
        timer_stop(&lane->pause);
        while (!h2o_linklist_is_empty(&lane->hits))
            hit_cancel(hit_of(lane->hits.next));
        free(lane->paths);
    }
    while (!h2o_linklist_is_empty(&lanes->open))
        hit_cancel(hit_of(lanes->open.next));
    timer_stop(&lanes->linger);
    deferred_cancel(&lanes->deferred);
    free(lanes);
}
