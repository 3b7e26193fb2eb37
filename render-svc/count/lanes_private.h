/* The state that lanes.c and lane.c share. No other file includes it.
 *
 * lanes.c owns the hits and the open batch, and decides when a batch leaves. lane.c moves one
 * batch: it sends it, repeats it, and gives each hit its count.
 */
#ifndef RENDER_COUNT_LANES_PRIVATE_H
#define RENDER_COUNT_LANES_PRIVATE_H

#include "render-svc/count/lanes.h"
#include "render-svc/count/render_metrics.h"

/* In the order of the label's values in metrics. The diagram is in lanes.h. */
enum lane_state { LANE_OPENING, LANE_FREE, LANE_IN_FLIGHT, LANE_PAUSING, N_LANE_STATES };
_Static_assert(N_LANE_STATES == METRICS_N_LANE_STATES, "each state has its metric");

struct lane {
    struct lanes *lanes;
    enum lane_state state;
    int64_t id;       /* 0: none yet, or given up */
    int64_t sequence; /* of the last confirmed batch */
    struct counter_call *call;
    struct timer pause;
    uint64_t pause_ms;

    /* the batch; its size is 0 if there is none */
    struct batch batch;
    struct batch_entry entries[BATCH_MAX_PATHS];
    char *paths;         /* the bytes of the entries' paths */
    struct trace trace;  /* of the first hit */
    size_t n_hits;       /* hits that left with the batch */
    uint64_t left_ns;    /* when it left */
    h2o_linklist_t hits; /* hits that still wait for it, in their order of arrival */
    bool wants_rows;     /* at least one of its hits does */
    bool was_sent;       /* counter-svc may have processed an earlier try */
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

/* --- lanes.c --- */

static inline struct hit *hit_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct hit, _link, link);
}

/* Dispatches the open batch at the end of the turn. */
void lanes_schedule(struct lanes *lanes);

/* Moves the first hit of the open batch to the lane's batch. */
void lanes_move_hit(struct lanes *lanes, struct lane *lane);

/* Ends the wait of a hit in flight, and runs its callback. */
void lanes_answer_hit(struct hit *hit, struct hit_count count, struct shared_rows *rows);

/* --- lane.c --- */

/* Initialises a zeroed lane and requests its id from counter-svc. */
void lane_init(struct lane *lane, struct lanes *lanes);

/* Cancels the call and the hits that wait. */
void lane_fini(struct lane *lane);

/* Takes as many hits from the open batch as one batch may have, and sends them. The lane must be
 * free. */
void lane_dispatch(struct lane *lane);

#endif
