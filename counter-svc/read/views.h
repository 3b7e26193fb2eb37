/* Views: rows and paths that are not in memory, read from the table over a session of its own.
 *
 * The table is behind the journal, so a view first waits for a fold of all that was committed when it
 * was asked for. Folds that are forced like this are shared, and there are two a second at most. When
 * one does not come within a fraction of a second, because another session has locked rows, the table
 * is read as it is, and the answer says how old that is. A page by path that continues
 * another one is content with a fold that is a second old, so that exports do not wait for each page.
 *
 * One query is at PostgreSQL at a time. Requests for the same view that wait together share it, but only
 * as long as it has not been sent. All calls from the loop's thread.
 */
#ifndef COUNTER_READ_VIEWS_H
#define COUNTER_READ_VIEWS_H

#include "counter-svc/journal/journal.h"
#include "proto/detail.h"
#include "proto/view.h"

/* What was read; only good during the callback. All are NULL when PostgreSQL did not answer. */
struct view_result {
    const struct rows *rows;          /* of a view */
    const struct path_detail *detail; /* of a path, which is left out; count 0: it has no row */
    const char *history;              /* JSON (proto/counter-api.yml: History) */
    size_t history_len;
    const char *refusal; /* why it cannot be read as it was asked for: a sentence */
    int refusal_status;  /* of HTTP: 400, or 404 when there is no such history */
    int64_t age_ms;      /* how far the table is behind; 0: not at all */
};

struct history_query;

/* Runs exactly once for each request that is not cancelled, from the loop, never before the call that
 * started it returns. */
typedef void (*view_callback)(void *data, const struct view_result *result);

struct views;
struct view_request;

struct view_settings {
    int64_t max_reads;   /* that wait; further ones are answered as when PostgreSQL is gone */
    int64_t deadline_ms; /* how long one may wait for its query */
};

/* `on_change` runs when views_problem may have another answer. `journal` must outlive it. */
struct views *views_open(struct worker *worker, const struct session_settings *session_settings,
                         const struct view_settings *settings, struct journal *journal,
                         void (*on_change)(void *data), void *data);

/* Takes NULL. No callback runs any more. */
void views_close(struct views *views);

/* Reads the rows of a view, with the totals of now. `trace`, here and below, is what the request belongs
 * to; it is copied, as is the path. */
struct view_request *views_rows(struct views *views, const struct view *view,
                                const struct trace *trace, view_callback callback, void *data);

/* Reads what there is to know of one path. */
struct view_request *views_path(struct views *views, const char *path, size_t len,
                                const struct trace *trace, view_callback callback, void *data);

/* Reads a history; the query is copied. */
struct view_request *views_history(struct views *views, const struct history_query *query,
                                   const struct trace *trace, view_callback callback, void *data);

/* The callback does not run. */
void view_cancel(struct view_request *request);

/* Everything up to this position is in the table. */
void views_on_folded(struct views *views, int64_t position);

/* Reads on this host of the URL, where the journal is. */
void views_follow(struct views *views, size_t host);

/* Another session has brought the ledger up to this program's schema. */
void views_migrate(struct views *views);

/* Why views cannot be read now, a sentence; NULL when they can. */
const char *views_problem(const struct views *views);

/* Rows with the cursors that go on from them; the rows' paths belong to others. */
struct page {
    struct row table[VIEW_MAX_ROWS];
    struct rows rows;
    struct buffer next, previous;
};

/* Whether the state in memory has the rows of a view: the first ones of the ranking. */
bool view_is_in_memory(const struct view *view);

/* Fills a page with them. Free it with page_free. */
void page_of_state(struct page *page, const struct state *state, const struct view *view);

void page_free(struct page *page);

#endif
