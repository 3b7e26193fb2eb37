/* One lane: sends its batch, repeats it, and gives each hit its count. lanes.h has the states. */
#include "base/invariant.h"
#include "proto/api.h"
#include "render-svc/count/lanes_private.h"
#include "server/ops/log.h"

#include <stdlib.h>
#include <string.h>

/* The pause before a failed try is repeated. It doubles up to the maximum, with jitter. */
#define MIN_PAUSE_MS 10
#define MAX_PAUSE_MS 500

/* The states that may follow each state, one bit for each. lanes.h has the diagram. */
#define BIT(state) (1U << (state))
static const unsigned FOLLOWING[N_LANE_STATES] = {
    [LANE_OPENING] = BIT(LANE_FREE) | BIT(LANE_IN_FLIGHT) | BIT(LANE_PAUSING),
    [LANE_FREE] = BIT(LANE_IN_FLIGHT),
    [LANE_IN_FLIGHT] = BIT(LANE_FREE) | BIT(LANE_PAUSING) | BIT(LANE_OPENING),
    [LANE_PAUSING] = BIT(LANE_IN_FLIGHT) | BIT(LANE_OPENING),
};

static void request_lane(struct lane *lane);
static bool on_lane_opened(void *data, const struct http_answer *answer);
static void send_batch(struct lane *lane);
static void encode_batch(void *data, enum encoding encoding, struct buffer *to);
static bool on_batch_answered(void *data, const struct http_answer *answer);
static void pause_lane(struct lane *lane);
static void on_lane_pause_over(struct timer *timer);
static void confirm(struct lane *lane, const struct counts *counts);
static void give_up(struct lane *lane, int status);

void lane_init(struct lane *lane, struct lanes *lanes)
{
    lane->lanes = lanes;
    lane->batch.entries = lane->entries;
    lane->paths = h2o_mem_alloc(BATCH_MAX_PATH_BYTES);
    h2o_linklist_init_anchor(&lane->hits);
    metric_add(&lanes->metrics->lanes[LANE_OPENING], 1);
    request_lane(lane);
}

static void set_state(struct lane *lane, enum lane_state state)
{
    INVARIANT(FOLLOWING[lane->state] & BIT(state));
    metric_subtract(&lane->lanes->metrics->lanes[lane->state], 1);
    metric_add(&lane->lanes->metrics->lanes[state], 1);
    lane->state = state;
}

/* --- opening --- */

/* Requests a new lane id from counter-svc. */
static void open_lane(struct lane *lane)
{
    set_state(lane, LANE_OPENING);
    request_lane(lane);
}

static void request_lane(struct lane *lane)
{
    static const struct http_request REQUEST = {.method = "POST", .target = API_LANES};

    INVARIANT(lane->call == NULL && lane->id == 0);
    lane->call = counter_call(lane->lanes->client, &REQUEST, on_lane_opened, lane);
}

/* Marks the lane as free. If the open batch has hits, it leaves at the end of the turn. */
static void set_free(struct lane *lane)
{
    set_state(lane, LANE_FREE);
    lane->batch.size = 0;
    lane->pause_ms = 0;
    if (lane->lanes->n_open != 0)
        lanes_schedule(lane->lanes);
}

/* Receives the lane id. A batch that waits for it is sent at once. */
static bool on_lane_opened(void *data, const struct http_answer *answer)
{
    struct lane *lane = data;
    const char *error;

    INVARIANT(lane->state == LANE_OPENING && lane->call != NULL);
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

/* --- a batch --- */

/* Returns the sum of the hits of all entries. */
static int64_t hits_of(const struct batch *batch)
{
    int64_t hits = 0;

    for (size_t i = 0; i < batch->size; ++i) {
        INVARIANT(batch->entries[i].bot_hits <= batch->entries[i].hits);
        hits += batch->entries[i].hits;
    }
    return hits;
}

void lane_dispatch(struct lane *lane)
{
    struct lanes *lanes = lane->lanes;
    size_t bytes = 0, size = 0;

    INVARIANT(lane->batch.size == 0 && h2o_linklist_is_empty(&lane->hits));
    lane->wants_rows = false;
    lane->trace = *hit_of(lanes->open.next)->trace;
    /* 1. Move as many hits from the open batch as one batch may have. */
    while (lanes->n_open != 0 && size < BATCH_MAX_PATHS) {
        const struct hit *hit = hit_of(lanes->open.next);
        if (bytes + hit->path_len > BATCH_MAX_PATH_BYTES)
            break;
        memcpy(lane->paths + bytes, hit->path, hit->path_len);
        lane->entries[size++] =
            (struct batch_entry){lane->paths + bytes, hit->path_len, 1, hit->is_bot};
        bytes += hit->path_len;
        lane->wants_rows |= hit->wants_rows;
        lanes_move_hit(lanes, lane);
    }
    lane->n_hits = size;
    lane->left_ns = monotonic_ns();
    metric_add(&lanes->metrics->waiting[WAITING_IN_FLIGHT], size);
    histogram_add_size(&lanes->metrics->batch_hits, size);
    /* 2. Sort them by path, and merge the entries of each path. */
    lane->batch.size = batch_sort(lane->entries, size);
    INVARIANT(hits_of(&lane->batch) == (int64_t)lane->n_hits);
    /* 3. Send the batch. */
    lane->was_sent = false;
    send_batch(lane);
}

/* Sends the batch, for the first time or again. A batch that may have been processed keeps its lane
 * and its sequence, by which counter-svc recognises a repeat. */
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

/* Encodes the batch once the connection is known, because the connection decides the encoding. */
static void encode_batch(void *data, enum encoding encoding, struct buffer *to)
{
    const struct lane *lane = data;

    hits_encode(to, encoding, &lane->batch);
}

/* Decides what happens to the batch (the table in lanes.h). */
static bool on_batch_answered(void *data, const struct http_answer *answer)
{
    struct lane *lane = data;
    struct counts counts;
    int status = answer->outcome == HTTP_ANSWERED ? answer->status : 0;
    const char *error = answer->reason;

    INVARIANT(lane->state == LANE_IN_FLIGHT && lane->call != NULL);
    lane->call = NULL;
    if (status == 200 && counts_decode(answer->body, answer->len, answer->encoding, &lane->batch,
                                       &counts, &error) == 0) {
        confirm(lane, &counts);
        rows_free(&counts.rows);
        return true;
    }
    if (status == 409 && !lane->was_sent) {
        lane->id = 0;
        pause_lane(lane); /* after the pause the batch moves to a new lane */
        return true;
    }
    if (status >= 400 && status < 500 && status != 401) { /* an operator may correct the token */
        give_up(lane, status);
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

/* Repeats the failed step, opening or sending, after a pause. */
static void pause_lane(struct lane *lane)
{
    uint64_t pause_ms = lane->pause_ms;

    set_state(lane, LANE_PAUSING);
    lane->pause_ms = pause_ms == 0                 ? MIN_PAUSE_MS
                     : pause_ms < MAX_PAUSE_MS / 2 ? pause_ms * 2
                                                   : MAX_PAUSE_MS;
    timer_start_after(&lane->lanes->worker->timers, &lane->pause,
                      lane->pause_ms / 2 + jitter(lane->pause_ms / 2), on_lane_pause_over);
}

static void on_lane_pause_over(struct timer *timer)
{
    struct lane *lane = H2O_STRUCT_FROM_MEMBER(struct lane, pause, timer);

    if (lane->id == 0)
        open_lane(lane);
    else
        send_batch(lane);
}

/* --- the end of a batch --- */

/* Returns the count of the next hit of this path. If the batch has three hits of the path and its
 * new count is 12, the hits get 10, 11 and 12. */
static struct hit_count next_count(struct lane *lane, const struct hit *hit,
                                   const struct hit_count *counts)
{
    struct batch_entry *entry = batch_find(&lane->batch, hit->path, hit->path_len);
    struct hit_count count;

    INVARIANT(entry != NULL);
    count = counts[entry - lane->entries];
    if (count.count != INT64_MAX) {
        INVARIANT(entry->hits > 0);
        count.count -= --entry->hits;
    }
    /* The answer to a repeat has the current counts, which an operator may have lowered. */
    if (count.count < 1)
        count.count = 1;
    return count;
}

/* Gives each hit that still waits its own count, in the order of arrival. The batch is on disk. */
static void confirm(struct lane *lane, const struct counts *counts)
{
    struct render_metrics *metrics = lane->lanes->metrics;
    struct shared_rows rows = {.rows = &counts->rows};

    if (counts->repeat) {
        metric_add(&metrics->repeated, lane->n_hits);
        log_event(LOG_LEVEL_INFO, "batch-repeated", "lane=%lld sequence=%lld hits=%zu trace=%s",
                  (long long)lane->id, (long long)lane->batch.sequence, lane->n_hits,
                  lane->trace.id);
    }
    metric_add(&metrics->committed, lane->n_hits);
    metric_subtract(&metrics->waiting[WAITING_IN_FLIGHT], lane->n_hits);
    histogram_add_ns(&metrics->batch_seconds, monotonic_ns() - lane->left_ns);
    lane->sequence = lane->batch.sequence;
    while (!h2o_linklist_is_empty(&lane->hits)) {
        struct hit *hit = hit_of(lane->hits.next);
        lanes_answer_hit(hit, next_count(lane, hit, counts->hit_counts),
                         counts->has_rows ? &rows : NULL);
    }
    shared_rows_fini(&rows);
    set_free(lane);
}

/* Gives up the batch and its lane. counter-svc refused the batch, or its outcome can no longer be
 * determined. */
static void give_up(struct lane *lane, int status)
{
    log_event(LOG_LEVEL_WARNING, "batch-given-up",
              "lane=%lld sequence=%lld hits=%zu status=%d trace=%s", (long long)lane->id,
              (long long)lane->batch.sequence, lane->n_hits, status, lane->trace.id);
    metric_add(&lane->lanes->metrics->refused[REFUSED_GIVEN_UP], lane->n_hits);
    metric_subtract(&lane->lanes->metrics->waiting[WAITING_IN_FLIGHT], lane->n_hits);
    while (!h2o_linklist_is_empty(&lane->hits))
        lanes_answer_hit(hit_of(lane->hits.next), (struct hit_count){0}, NULL);
    lane->batch.size = 0;
    lane->id = 0;
    open_lane(lane);
}

void lane_fini(struct lane *lane)
{
    if (lane->call != NULL)
        counter_call_cancel(lane->call);
    timer_stop(&lane->pause);
    while (!h2o_linklist_is_empty(&lane->hits))
        hit_cancel(hit_of(lane->hits.next));
    free(lane->paths);
}
