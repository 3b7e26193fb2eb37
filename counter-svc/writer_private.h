/* What the three parts of the writer share, and nobody else: writer.c (the queue and the sessions),
 * apply.c (a merge, from the queue to its answers) and lane.c (making and forgetting lanes).
 */
#ifndef COUNTER_WRITER_PRIVATE_H
#define COUNTER_WRITER_PRIVATE_H

#include "counter-svc/counter_metrics.h"
#include "counter-svc/writer.h"

/* A merge's answer holds 12 bytes for each path and 24 for each lane, and some hundred more: with
 * these it fits the least buffer that a socket has, so that a counter-svc that is stopped in the
 * middle does not leave PostgreSQL waiting to write, with rows locked. */
#define MERGE_MAX_BATCHES 64
#define MERGE_MAX_PATHS   1024

/* A batch, from writer_add until its callback. */
struct write {
    h2o_linklist_t link; /* in the writer's queue, while it waits */
    struct writer *writer;
    struct hits hits;
    struct trace trace;
    int64_t n_hits;          /* in all */
    write_callback callback; /* NULL once abandoned */
    void *data;
    struct timer deadline;
    bool overdue;
    bool doubtful; /* it may have been applied: a conflict would not say that it was not */
    bool alone;    /* it was in a merge that was refused: goes by itself */
};

struct lane_request {
    h2o_linklist_t link;
    struct trace trace;
    lane_callback callback; /* NULL once abandoned */
    void *data;
    int64_t lane;
};

/* A session and what it is doing. */
struct write_session {
    struct writer *writer;
    struct session *session;
    bool busy;
    uint64_t sent_ns; /* when the merge was */
    struct timer pause;
    /* the merge at PostgreSQL */
    size_t n_writes;
    struct write *writes[MERGE_MAX_BATCHES];
    const struct batch *batches[MERGE_MAX_BATCHES];
    struct merge merge;
    /* the lane being made */
    struct lane_request *request;
};

struct writer {
    struct worker *worker;
    struct counter_metrics *metrics;
    const struct writer_settings *settings;
    void (*on_change)(struct worker *worker);
    h2o_linklist_t queue, requests;
    int64_t n_queued;
    size_t n_ready;
    struct timer_queue deadlines;
    struct timer forget;
    bool forget_due;
    struct turn_end turn_end;
    int64_t room; /* for so many new paths, when it was last looked at */
    uint64_t room_at_ms;
    size_t n_sessions;
    struct write_session sessions[];
};

/* Lets what waits leave at the end of the loop's turn, together with what else the turn brings. */
void writer_kick(struct writer *writer);

/* The batch that a link of the queue is in. */
static inline struct write *write_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct write, link, link);
}

/* Moves a batch out of the queue; and back, to its head or its tail, unless nobody waits for it. */
void write_dequeue(struct write *write);
void write_enqueue(struct write *write, bool to_tail);

/* Answers and frees a batch that is not in the queue. */
void write_finish(struct write *write, enum write_outcome outcome, const struct number *numbers);

/* Sends what waits, merged; the session is idle. Returns false when nothing waits that could leave.
 */
bool apply_send(struct write_session *session);

/* Answers everything that the session has at PostgreSQL. */
void apply_finish_all(struct write_session *session, enum write_outcome outcome);

/* Begins to look for silent lanes, now and then. */
void lanes_start_forgetting(struct writer *writer);

/* Does what is due for lanes: a request's new lane, or forgetting silent ones. The session is idle.
 * Returns false when nothing is due. */
bool lanes_send(struct write_session *session);

/* Answers and frees the requests that wait. */
void lanes_drop_requests(struct writer *writer);

#endif
