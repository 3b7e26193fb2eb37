/* Reading from counter-svc for whoever looks without counting: a GET that is tried until it is
 * answered or its time is up.
 *
 * A worker has a few such reads away at a time, and the others wait in a queue that has an end; so
 * however many look, counting has counter-svc nearly to itself.
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_COUNT_FETCH_H
#define RENDER_COUNT_FETCH_H

#include "render-svc/count/counter_client.h"

#include "base/buffer.h"

struct fetch;
struct fetcher;

/* Takes an answer with the status 200, 400, 404 or 414, and returns whether it is believed (see
 * http_callback). `answer` NULL: there is none in time, or too many wait. Runs exactly once, as the
 * end of the fetch, from the loop, never before fetch_start returns, never after fetch_cancel. */
typedef bool (*fetch_callback)(struct fetch *fetch, const struct http_answer *answer);

/* A read; lives inside what waits for it, zeroed before its first use. */
struct fetch {
    h2o_linklist_t _link; /* in the queue */
    struct fetcher *_fetcher;
    struct counter_call *_call;
    char *_target;
    struct trace _trace;
    fetch_callback _callback;
    struct timer _deadline;
    bool _overdue;
};

/* `client` must outlive it; `deadline_ms`: for each read; `max_waiting`: more are not begun. */
struct fetcher *fetcher_create(struct worker *worker, struct counter_client *client,
                               int64_t deadline_ms, int64_t max_waiting);

/* Nothing is called back any more. Takes NULL. */
void fetcher_destroy(struct fetcher *fetcher);

/* Begins to read, for a request of this trace; NULL: for several, so it has one of its own. `target`
 * and `trace` are copied. */
void fetch_start(struct fetcher *fetcher, struct fetch *fetch, const struct buffer *target,
                 const struct trace *trace, fetch_callback callback);

/* Does nothing when it is not under way. */
void fetch_cancel(struct fetch *fetch);

#endif
