/* Read requests: GETs to counter-svc for requests that look at counts without counting. A read
 * request is repeated until it is answered or its deadline has passed.
 *
 * A worker has at most 8 read requests in flight. The others wait in a bounded queue. Even many
 * readers therefore take little of counter-svc's time from counting.
 *
 *     read_request_start --> queued --> in flight --> ended: callback, once
 *                              ^            |
 *                              +-- failed --+     (in front of the queue; all pause for a moment)
 *
 * If the queue is full, a read request ends at the end of the turn, without an answer.
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_COUNT_READ_REQUEST_H
#define RENDER_COUNT_READ_REQUEST_H

#include "render-svc/count/counter_client.h"

#include "base/buffer.h"

struct read_request;
struct read_queue;

/* Receives an answer with the status 200, 400, 404 or 414, and returns whether it is accepted (see
 * http_callback). `answer` is NULL if the deadline has passed or the queue was full. Ends the read
 * request. Runs exactly once, from the loop, never before read_request_start returns, never after
 * read_request_cancel. */
typedef bool (*read_callback)(struct read_request *read, const struct http_answer *answer);

/* A read request. Lives in the caller's object, zeroed before its first use. */
struct read_request {
    h2o_linklist_t _link; /* in the queue, or among the refused */
    struct read_queue *_queue;
    struct counter_call *_call; /* NULL unless it is in flight */
    char *_target;              /* NULL unless it is started */
    struct trace _trace;
    read_callback _callback;
    struct timer _deadline;
    bool _is_queued;
};

/* `client` must outlive the queue. `deadline_ms` is the deadline of each read request,
 * `max_waiting` the limit of the queue. */
struct read_queue *read_queue_create(struct worker *worker, struct counter_client *client,
                                     int64_t deadline_ms, int64_t max_waiting);

/* No callback runs afterwards. Takes NULL. */
void read_queue_destroy(struct read_queue *reads);

/* Starts a read request that has ended or was never started. `target` and `trace` are copied.
 * `trace` is NULL if the read serves several requests: the read then begins a trace. */
void read_request_start(struct read_queue *reads, struct read_request *read,
                        const struct buffer *target, const struct trace *trace,
                        read_callback callback);

/* Ends a read request without a callback. Does nothing if it has ended or was never started. */
void read_request_cancel(struct read_request *read);

#endif
