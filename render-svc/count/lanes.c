/* Hits and the open batch: when a batch leaves. lane.c sends it. */
#include "render-svc/count/lanes.h"

#include "base/invariant.h"
#include "render-svc/count/lanes_private.h"

#include <stdlib.h>
#include <string.h>

/* How long a small batch waits for more hits while a larger one is in flight, in milliseconds. A
 * large batch takes about as long. */
#define LINGER_MS 5

static void dispatch_open_batch(struct deferred *deferred);
static void on_batch_linger_over(struct timer *timer);

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
    for (size_t i = 0; i < lanes->n_lanes; ++i)
        lane_init(&lanes->lanes[i], lanes);
    return lanes;
}

/* --- hits --- */

/* Returns when this turn of the loop began. */
static uint64_t turn_began_ms(const struct lanes *lanes)
{
    return atomic_load_explicit(&lanes->worker->last_turn_ms, memory_order_relaxed);
}

/* Returns whether more than one batch is waiting, and its oldest hit has waited for longer than
 * max_wait_ms. A new hit would wait as long, and would hardly be confirmed before its deadline. */
static bool is_overloaded(const struct lanes *lanes)
{
    return lanes->n_open >= BATCH_MAX_PATHS &&
           turn_began_ms(lanes) - hit_of(lanes->open.next)->_since_ms >
               lanes->settings->max_wait_ms;
}

/* Sets the number of hits in the open batch, also in the metrics. */
static void set_n_open(struct lanes *lanes, int64_t n_open)
{
    INVARIANT(n_open >= 0);
    INVARIANT((n_open == 0) == h2o_linklist_is_empty(&lanes->open));
    lanes->n_open = n_open;
    metric_set(&lanes->metrics->waiting[WAITING_OPEN], (uint64_t)n_open);
}

bool lanes_add(struct lanes *lanes, struct hit *hit, hit_callback callback)
{
    INVARIANT(hit->state == HIT_NONE);
    metric_add(&lanes->metrics->accepted, 1);
    if (lanes->n_open >= lanes->settings->max_waiting || is_overloaded(lanes)) {
        metric_add(&lanes->metrics->refused[REFUSED_FULL], 1);
        return false;
    }
    hit->_since_ms = turn_began_ms(lanes);
    hit->_lanes = lanes;
    hit->_callback = callback;
    hit->state = HIT_OPEN;
    h2o_linklist_insert(&lanes->open, &hit->_link);
    set_n_open(lanes, lanes->n_open + 1);
    lanes_schedule(lanes);
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

void lanes_move_hit(struct lanes *lanes, struct lane *lane)
{
    struct hit *hit = hit_of(lanes->open.next);

    INVARIANT(hit->state == HIT_OPEN);
    h2o_linklist_unlink(&hit->_link);
    set_n_open(lanes, lanes->n_open - 1);
    hit->state = HIT_IN_FLIGHT;
    h2o_linklist_insert(&lane->hits, &hit->_link);
}

void lanes_answer_hit(struct hit *hit, struct hit_count count, struct shared_rows *rows)
{
    INVARIANT(hit->state == HIT_IN_FLIGHT);
    h2o_linklist_unlink(&hit->_link);
    hit->state = HIT_NONE;
    hit->_callback(hit, count, rows);
}

/* --- the open batch --- */

void lanes_schedule(struct lanes *lanes)
{
    worker_defer(lanes->worker, &lanes->deferred, dispatch_open_batch);
}

/* Returns whether the open batch has at least half of the hits of the largest batch in flight. A
 * commit costs much more than one hit in it, so a smaller batch lingers until one of those batches
 * is confirmed or LINGER_MS have passed. */
static bool is_large_enough(const struct lanes *lanes)
{
    size_t most = 0;

    for (size_t i = 0; i < lanes->n_lanes; ++i)
        if (lanes->lanes[i].state == LANE_IN_FLIGHT && lanes->lanes[i].n_hits > most)
            most = lanes->lanes[i].n_hits;
    return (size_t)lanes->n_open >= most / 2;
}

/* Sends the hits of the open batch on the free lanes, in as many batches as they need. */
static void dispatch_all(struct lanes *lanes)
{
    timer_stop(&lanes->linger);
    for (size_t i = 0; i < lanes->n_lanes && lanes->n_open != 0; ++i)
        if (lanes->lanes[i].state == LANE_FREE)
            lane_dispatch(&lanes->lanes[i]);
}

/* Runs at the end of the turn: sends the open batch, or lets it linger. */
static void dispatch_open_batch(struct deferred *deferred)
{
    struct lanes *lanes = H2O_STRUCT_FROM_MEMBER(struct lanes, deferred, deferred);

    if (is_large_enough(lanes))
        dispatch_all(lanes);
    else if (!timer_is_waiting(&lanes->linger))
        timer_start_after(&lanes->worker->timers, &lanes->linger, LINGER_MS, on_batch_linger_over);
}

static void on_batch_linger_over(struct timer *timer)
{
    dispatch_all(H2O_STRUCT_FROM_MEMBER(struct lanes, linger, timer));
}

void lanes_destroy(struct lanes *lanes)
{
    if (lanes == NULL)
        return;
    for (size_t i = 0; i < lanes->n_lanes; ++i)
        lane_fini(&lanes->lanes[i]);
    while (!h2o_linklist_is_empty(&lanes->open))
        hit_cancel(hit_of(lanes->open.next));
    timer_stop(&lanes->linger);
    deferred_cancel(&lanes->deferred);
    free(lanes);
}
