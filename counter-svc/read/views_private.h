/* What views.c (requests and what they wait for) and view_queries.c (their queries) share. */
#ifndef COUNTER_READ_VIEWS_PRIVATE_H
#define COUNTER_READ_VIEWS_PRIVATE_H

#include "counter-svc/ledger/counter_metrics.h"
#include "counter-svc/read/history_query.h"
#include "counter-svc/read/views.h"

enum view_kind { VIEW_OF_ROWS, VIEW_OF_PATH, VIEW_OF_HISTORY };

enum view_state { VIEW_FINDING_HEAD, VIEW_FOLDING, VIEW_QUEUED, VIEW_IN_FLIGHT };

/* A request, from its start until its callback; views.h has the diagram of its states. */
struct view_request {
    h2o_linklist_t link; /* in one of the lists of struct views */
    struct views *views;
    enum view_kind kind;
    struct trace trace;
    struct view *view;           /* VIEW_OF_ROWS */
    struct buffer path;          /* VIEW_OF_PATH */
    struct history_query *query; /* VIEW_OF_HISTORY */
    enum view_state state;
    struct journal_request *head; /* in VIEW_FINDING_HEAD */
    int64_t target;               /* in VIEW_FOLDING: fold up to this position */
    bool is_stale;                /* the fold did not come in time */
    view_callback callback;       /* NULL once cancelled */
    void *data;
    struct timer linger, deadline;
    bool expired;
};

struct views {
    struct worker *worker;
    struct counter_metrics *metrics;
    const struct view_settings *settings;
    struct journal *journal;
    struct session *session;
    void (*on_change)(void *data);
    void *data;
    h2o_linklist_t folding;   /* requests in VIEW_FINDING_HEAD or VIEW_FOLDING */
    h2o_linklist_t queue;     /* in VIEW_QUEUED */
    h2o_linklist_t in_flight; /* in VIEW_IN_FLIGHT, all of one kind and view; empty: no query is */
    int64_t n_waiting;
    struct timer_queue deadlines, lingers;
    struct deferred deferred;
    uint64_t sent_ns;     /* when the query in flight was sent */
    uint64_t complete_ms; /* when the table last had everything that was committed */
};

static inline struct view_request *view_request_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct view_request, link, link);
}

/* Sends the query of a request that is in flight. */
void view_send(struct views *views, const struct view_request *request);

/* Answers all requests in flight, each with its own age, and sends the next query. */
void views_finish(struct views *views, struct view_result *result);

/* Puts the requests in flight back, because the state in memory is being loaded and there are no
 * totals. They wait for the state, and their query is sent again. */
void views_put_back(struct views *views);

/* Moves a request on to another state, which must follow from the present one. */
void view_set_state(struct view_request *request, enum view_state state);

#endif
