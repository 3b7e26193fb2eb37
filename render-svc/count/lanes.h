/* Hits on their way to the ledger: the worker's open batch, and the lanes on which batches leave.
 *
 * A hit joins the open batch. At the end of the loop's turn, and whenever a lane becomes free, the
 * open batch leaves on it; while it is away the next fills. So at low load a batch is one hit and
 * nothing waits, and at high load one commit serves everybody who waited. A batch of less than half
 * of the hits of one that is away waits a few milliseconds for more.
 *
 * A lane has one batch away at a time. States:
 *   opening   counter-svc is being asked for a lane; there may be a batch that waits for it
 *   free      nothing is away
 *   away      its batch was sent; the answer is awaited
 *   pausing   the try failed; the same batch, with the same sequence, is sent again after a pause
 *
 * What is known of a batch's fate decides what may be done with it:
 *   confirmed               each hit gets its number
 *   409 at the first send   it was not applied and never will be: it moves to a new lane
 *   409 later, 422, 400     it is dropped, and the lane; its hits are not confirmed
 *   anything else           unknown: it is sent again, to the same or another counter-svc, for as
 *                           long as it takes, also when nobody waits for it any more
 *
 * A batch belongs to the trace of its first hit, at every try; what is said of it in the log names
 * that trace, and how many hits left with it.
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_COUNT_LANES_H
#define RENDER_COUNT_LANES_H

#include "proto/batch.h"
#include "render-svc/count/counter_client.h"
#include "render-svc/count/shared_rows.h"

enum hit_state {
    HIT_NONE,
    HIT_OPEN,     /* in the open batch: withdrawing it takes it out */
    HIT_IN_FLIGHT /* its batch has left: withdrawing it leaves the batch as it is */
};

struct hit;

/* Says what became of a hit: `number` is the path's count with this hit as the last (or the overflow
 * row's), its count 0 when the hit is not confirmed, and counted at most once. `rows` came with the
 * number, and are only good during the callback; NULL: none came, or none were wanted by anybody in
 * the batch. Runs exactly once unless the hit is withdrawn, from the loop, never before lanes_add
 * returns. */
typedef void (*hit_callback)(struct hit *hit, struct hit_count number, struct shared_rows *rows);

/* A hit; lives inside what waits for it, zeroed before its first use. */
struct hit {
    h2o_linklist_t _link;
    struct lanes *_lanes;
    enum hit_state state; /* read only */
    hit_callback _callback;
    const char *path; /* canonical; must live as long as the hit waits */
    size_t path_len;
    bool wants_rows;
    bool is_bot;               /* it is counted as a bot's */
    const struct trace *trace; /* of its request; must live as long, too */
    uint64_t _since_ms;        /* it waits */
};

struct lanes_settings {
    int64_t lanes;        /* for each worker */
    int64_t max_waiting;  /* hits in the open batch */
    uint64_t max_wait_ms; /* how old the first of more than one batch may be */
};

struct lanes;

/* `settings` and `client` must outlive it. */
struct lanes *lanes_create(struct worker *worker, struct counter_client *client,
                           const struct lanes_settings *settings);

/* Before the client goes. Nothing is called back any more. Takes NULL. */
void lanes_destroy(struct lanes *lanes);

/* Adds a hit, with its path and trace set, whether it wants rows, and whether it is a bot's. Returns false
 * when too many wait already, or have waited for so long that this one would hardly be confirmed in time:
 * better to say so now. */
bool lanes_add(struct lanes *lanes, struct hit *hit, hit_callback callback)
    __attribute__((warn_unused_result));

/* Nobody waits for this hit any more. Does nothing for one that does not wait. */
void hit_cancel(struct hit *hit);

#endif
