/* Views: rows, paths and histories that are not in memory, read from the tables over a session of
 * its own.
 *
 * The tables are behind the journal, so a view first waits for a fold of everything that was
 * committed when its request came:
 *
 *     FINDING HEAD --the state is the newest--> FOLDING --folded, or lingered--> QUEUED
 *           ^      \--everything is folded----------------------------------->   |
 *           |                                                                    v
 *           +----------the state is being loaded-------------------------- IN FLIGHT --> answered
 *
 * Views share forced folds, and there are at most two of those a second. If a fold does not come in
 * time because another session holds locks on rows, the table is read as it is, and the answer has
 * its age. A page by path that continues another page accepts a fold that is a second old and is
 * QUEUED at once, so that exports do not wait for each page.
 *
 * One query is in flight at a time. Requests for the same view share it until it is sent. A request
 * that reaches its deadline before IN FLIGHT gets no answer. All calls from the loop's thread.
 */
#ifndef COUNTER_READ_VIEWS_H
#define COUNTER_READ_VIEWS_H

#include "counter-svc/journal/journal.h"
#include "proto/detail.h"
#include "proto/view.h"

/* The answer, valid during the callback. All pointers are NULL if PostgreSQL did not answer. */
struct view_result {
    const struct rows *rows;          /* of a view */
    const struct path_detail *detail; /* of a path, without its name; count 0: it has no row */
    const char *history;              /* JSON (proto/counter-api.yml: History) */
    size_t history_len;
    const char *refusal; /* why the request is wrong: a sentence */
    int refusal_status;  /* of HTTP: 400, or 404 if there is no such history */
    int64_t age_ms;      /* how far the table is behind the counts; 0: not at all */
};

struct history_query;

/* Runs exactly once for each request that is not cancelled, from the loop, after the call that
 * started the request has returned. */
typedef void (*view_callback)(void *data, const struct view_result *result);

struct views;
struct view_request;

struct view_settings {
    int64_t max_reads;   /* that may wait; further ones get no answer */
    int64_t deadline_ms; /* how long one may wait until its query is sent */
};

/* `on_change` runs when the result of views_problem may have changed. `journal` must outlive the
 * views. */
struct views *views_open(struct worker *worker, const struct session_settings *session_settings,
                         const struct view_settings *settings, struct journal *journal,
                         void (*on_change)(void *data), void *data);

/* Takes NULL. No callback runs afterwards. */
void views_close(struct views *views);

/* Reads the rows of a view, with the present totals. `trace`, here and below, is the request's; it
 * is copied, as is the path. */
struct view_request *views_rows(struct views *views, const struct view *view,
                                const struct trace *trace, view_callback callback, void *data);

/* Reads the details of one path. */
struct view_request *views_path(struct views *views, const char *path, size_t len,
                                const struct trace *trace, view_callback callback, void *data);

/* Reads a history; the query is copied. */
struct view_request *views_history(struct views *views, const struct history_query *query,
                                   const struct trace *trace, view_callback callback, void *data);

/* Cancels a request: its callback does not run. */
void view_cancel(struct view_request *request);

/* Notes that the table has everything up to this position. */
void views_on_folded(struct views *views, int64_t position);

/* Reads from this host of the URL only: the host of the journal. */
void views_follow(struct views *views, size_t host);

/* Notes that another session has upgraded the ledger. */
void views_migrate(struct views *views);

/* Returns why views cannot be read now, as a sentence, or NULL if they can. */
const char *views_problem(const struct views *views);

#endif
