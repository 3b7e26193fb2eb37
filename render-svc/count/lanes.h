/* Hits on their way to the ledger: the worker's open batch, and the lanes that carry batches to
 * counter-svc.
 *
 * A hit joins the open batch. The open batch leaves on a free lane at the end of the loop's turn,
 * or as soon as a lane becomes free. While it is in flight, the next batch fills. At low load a
 * batch has one hit and nothing waits; at high load one commit serves all hits that have waited. A
 * batch with less than half of the hits of a batch in flight lingers for a few milliseconds, so
 * that more hits join it.
 *
 * A lane has at most one batch in flight. States of a lane:
 *
 *             +--------------- given up ----------------+
 *             v                                         |
 *          opening ---> free ----- batch leaves ---> in flight
 *           ^   |         ^------- confirmed ---------+ |  ^
 *           |   |                                       |  |
 *           |   +-no id-> pausing <--- not confirmed ---+  |
 *           |              |   |                           |
 *           +--- no id ----+   +------- has an id ---------+
 *
 *     An opening lane goes straight to in flight if a batch waits for its id.
 *
 *   opening    a lane id is requested from counter-svc; a batch may wait for it
 *   free       no batch
 *   in flight  the batch is sent, its answer has not come
 *   pausing    the last try failed; the next one follows after a pause
 *
 * The answer decides what happens to a batch:
 *   200                     confirmed: each hit gets its own count
 *   409 at the first send   not applied, now or later: the batch moves to a new lane
 *   409 later, other 4xx    the batch and its lane are given up; its hits are not confirmed
 *   anything else, and 401  unknown: the same batch is sent again with the same sequence, to the
 *                           same or another counter-svc, until its outcome is known, even if no hit
 *                           waits for it
 *
 * Every try of a batch belongs to the trace of the batch's first hit. Log lines about a batch have
 * that trace, and the number of hits that left with it.
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_COUNT_LANES_H
#define RENDER_COUNT_LANES_H

#include "proto/api.h"
#include "render-svc/count/counter_client.h"
#include "render-svc/count/shared_rows.h"

/* none --lanes_add--> open --its batch leaves--> in flight --callback--> none. hit_cancel leads
 * back to none from any state. */
enum hit_state {
    HIT_NONE,
    HIT_OPEN,     /* in the open batch: hit_cancel removes it */
    HIT_IN_FLIGHT /* its batch has left: hit_cancel only ends the wait */
};

struct hit;

/* Receives the outcome of a hit. `count` is the path's count (or the overflow row's) including this
 * hit. Its `count` member is 0 if the hit is not confirmed; the hit is then counted at most once.
 * `rows` are valid during the callback. They are NULL if the answer had none, or if no hit of the
 * batch wanted them. Runs exactly once unless the hit is cancelled, from the loop, never before
 * lanes_add returns. */
typedef void (*hit_callback)(struct hit *hit, struct hit_count count, struct shared_rows *rows);

/* A hit. Lives in the caller's object, zeroed before its first use. */
struct hit {
    h2o_linklist_t _link;
    struct lanes *_lanes;
    enum hit_state state; /* read only */
    hit_callback _callback;
    const char *path; /* canonical; must live as long as the hit waits */
    size_t path_len;
    bool wants_rows;
    bool is_bot;               /* counted as a bot's hit */
    const struct trace *trace; /* of its request; must live as long as the hit waits */
    uint64_t _since_ms;        /* when it was added */
};

struct lanes_settings {
    int64_t lanes;        /* of each worker */
    int64_t max_waiting;  /* hits in the open batch */
    uint64_t max_wait_ms; /* maximum age of the oldest hit while more than one batch is waiting */
};

struct lanes;

/* `settings` and `client` must outlive the lanes. */
struct lanes *lanes_create(struct worker *worker, struct counter_client *client,
                           const struct lanes_settings *settings);

/* No callback runs afterwards. Must run before the client is destroyed. Takes NULL. */
void lanes_destroy(struct lanes *lanes);

/* Adds a hit. The caller has set its path, trace, wants_rows and is_bot. Returns false if the open
 * batch is full, or if its oldest hit has waited so long that a new one would hardly be confirmed
 * before its deadline. */
bool lanes_add(struct lanes *lanes, struct hit *hit, hit_callback callback)
    __attribute__((warn_unused_result));

/* Ends the wait of a hit without a callback. Does nothing if the hit does not wait. */
void hit_cancel(struct hit *hit);

#endif
