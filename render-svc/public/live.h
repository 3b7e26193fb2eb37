/* Live changes: a subscriber of /-/live gets the changes of a view's rows, at most twice a second.
 *
 * In each round a worker reads every view with subscribers once. It renders what has changed once,
 * and all subscribers of the view share that text by reference. A subscriber that is still
 * receiving the last text gets nothing more until it has it; then it gets the whole new state. So a
 * slow subscriber holds one text, however slow it is. A subscriber that receives nothing for
 * idle_ms is reset.
 *
 * States of a subscriber:
 *
 *     subscribed --> writing --written, up to date--> idle --new rows--> pending --slice--> writing
 *                       |                                                   ^
 *                       +------------ written, rows are newer --------------+
 *
 * Sending to many subscribers takes time. It is done in slices, so that visits are served in
 * between. The pause between rounds grows until live changes take only a small part of the worker's
 * time.
 *
 * The subscribers and their views are limited, for the process and for each worker. When the
 * service stops, subscribers are disconnected first. They reconnect by themselves, to another
 * replica.
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_PUBLIC_LIVE_H
#define RENDER_PUBLIC_LIVE_H

#include "proto/view.h"
#include "render-svc/count/read_request.h"

struct live_settings {
    int64_t max_subscribers; /* of the process */
    int64_t max_views;       /* of each worker */
};

struct live;

/* `settings` and `reads` must outlive it. */
struct live *live_create(struct worker *worker, struct read_queue *reads,
                         const struct live_settings *settings);

/* Nothing is sent afterwards. Takes NULL. */
void live_destroy(struct live *live);

/* Answers a request with the stream of changes of this view, which ends with the connection.
 * Returns false, and does not answer, if there are too many subscribers or views. */
bool live_subscribe(struct live *live, h2o_req_t *req, const struct view *view)
    __attribute__((warn_unused_result));

#define LIVE_TYPE "text/event-stream"

#endif
