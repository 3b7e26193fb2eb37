/* Watching: whoever asks for /-/live is told of the changes of a view's rows, as they come, at most
 * twice a second.
 *
 * Of each view that is watched there is one read a round for all its watchers, and one rendering of
 * what has changed, shared by reference. A watcher that is still taking what it was told last is not
 * told more: once it is done it gets the newest state, whole. So what it costs in memory is one text
 * however slow it is; one that takes nothing for idle_ms is reset.
 *
 * Telling many takes time, which is taken in slices, so that visits go on in between; and the next
 * round is put off until all of it is a small part of the worker's time: with many watchers the
 * rounds are further apart.
 *
 * Bounded are the watchers and the views that they watch, together and for each worker. When the
 * service stops, watchers are sent away first: they come back by themselves, elsewhere.
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_PUBLIC_LIVE_H
#define RENDER_PUBLIC_LIVE_H

#include "render-svc/count/read_request.h"

struct live_settings {
    int64_t max_watchers; /* of the process */
    int64_t max_views;    /* of each worker */
};

struct live;

/* `settings` and `reads` must outlive it. */
struct live *live_create(struct worker *worker, struct read_queue *reads,
                         const struct live_settings *settings);

/* Nobody is told anything any more. Takes NULL. */
void live_destroy(struct live *live);

#endif
