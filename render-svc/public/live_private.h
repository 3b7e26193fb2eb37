/* The state that live.c (subscribers, rounds) and live_view.c (the rows of a view) share. No other
 * file includes it. */
#ifndef RENDER_PUBLIC_LIVE_PRIVATE_H
#define RENDER_PUBLIC_LIVE_PRIVATE_H

#include "render-svc/html/live_text.h"
#include "render-svc/public/live.h"
#include "server/http/output_budget.h"

/* A text for many subscribers, in memory shared by reference. */
struct live_text {
    struct output_share shared;
    size_t len;
    char bytes[];
};

/* A view that has subscribers. */
struct live_view {
    h2o_linklist_t link; /* in the worker's list */
    struct live *live;
    struct view view;
    h2o_linklist_t subscribers;
    struct read_request read;
    bool is_reading;
    struct live_id id; /* of the rows; generation 0: no rows yet */
    struct rows rows;
    struct live_text *change;   /* since the previous generation; NULL: none */
    struct live_text *snapshot; /* NULL until it is needed */
};

/* A subscriber, in the request's pool. */
struct subscriber {
    h2o_generator_t generator; /* first: libh2o's callbacks get this */
    h2o_req_t *req;
    struct live_view *view;
    h2o_linklist_t link;    /* in its view's list */
    h2o_linklist_t pending; /* in the worker's list of subscribers that await the newest rows */
    uint64_t generation;    /* of the rows that it has */
    bool is_writing;
    uint64_t writing_since_ms;
    struct live_text *text; /* that is being written */
    struct timer heartbeat;
};

struct live {
    struct worker *worker;
    struct read_queue *reads;
    const struct live_settings *settings;
    h2o_linklist_t views;
    h2o_linklist_t pending;
    int64_t n_views, n_subscribers, max_subscribers;
    struct timer pulse, slice;
    struct timer_queue heartbeats;
    uint64_t round_at_ms; /* when the last round began */
    uint64_t spent_us;    /* of this thread's time since then */
    bool is_ending;
};

#define subscriber_of(at) H2O_STRUCT_FROM_MEMBER(struct subscriber, link, at)
#define live_view_of(at)  H2O_STRUCT_FROM_MEMBER(struct live_view, link, at)

/* Returns the time that this thread has run, in microseconds. */
uint64_t live_thread_us(void);

/* Queues a subscriber: one of the next slices sends it the newest rows. Does nothing while it is
 * writing, because it is queued again afterwards. */
void live_queue(struct subscriber *subscriber);

/* --- live_view.c --- */

/* Finds the view among those with subscribers, or adds it and reads its rows. Returns NULL if there
 * are too many. */
struct live_view *live_view_find(struct live *live, const struct view *view);

/* Reads the rows, and queues the subscribers if they have changed. */
void live_view_read(struct live_view *view);

/* Returns the text that brings a subscriber from `generation` to the newest rows. The view owns it.
 * */
struct live_text *live_view_text(struct live_view *view, uint64_t generation);

/* Frees a view. */
void live_view_free(struct live_view *view);

void live_text_release(struct live_text **text);

#endif
