/* The reader: rows, counts and totals, over a session of its own, so that reads do not wait behind
 * commits.
 *
 * One query is at PostgreSQL at a time. Requests for the same view that wait together share one
 * query and its answer, but only as long as it has not been sent: a page always has its own hit in
 * it.
 *
 * All calls from the loop's thread.
 */
#ifndef COUNTER_READER_H
#define COUNTER_READER_H

#include "counter-svc/session.h"
#include "proto/api.h"
#include "proto/detail.h"
#include "proto/view.h"
#include "service/trace.h"

/* What was read; only good during the callback. All are NULL when PostgreSQL did not answer. */
struct read_result {
    const struct buffer *rows;    /* of a view: the answer, as JSON */
    const struct number *numbers; /* of paths: one for each; count 0: nothing is known of it */
    const struct totals *totals;
    const struct path_detail *detail; /* of one path, whose path is left out; count 0: no row */
};

/* Runs exactly once for each read that is not abandoned, from the loop, never before the call that
 * started it returns. */
typedef void (*read_callback)(void *data, const struct read_result *result);

struct reader;
struct read; /* a request on its way */

struct reader_settings {
    int64_t max_reads;   /* that wait; more are answered as when PostgreSQL is gone */
    int64_t deadline_ms; /* how long one may wait */
};

/* `on_change` runs whenever reader_is_ready may have changed. */
struct reader *reader_open(struct worker *worker, const struct session_settings *session_settings,
                           const struct reader_settings *settings,
                           void (*on_change)(struct worker *worker));

/* Takes NULL. No callback runs any more. */
void reader_close(struct reader *reader);

/* Reads the rows of a view, with totals that are at most a second old. `trace`, here and below, is what
 * the request belongs to; it is copied. */
struct read *reader_rows(struct reader *reader, const struct view *view, const struct trace *trace,
                         read_callback callback, void *data);

/* Reads the counts of a batch's paths, or the overflow row's for those that have no row; only its
 * entries' paths are used, and copied. */
struct read *reader_counts(struct reader *reader, const struct batch *batch,
                           const struct trace *trace, read_callback callback, void *data);

/* Reads what there is to know of one path, which is copied. */
struct read *reader_path(struct reader *reader, const char *path, size_t len,
                         const struct trace *trace, read_callback callback, void *data);

/* Reads the totals. */
struct read *reader_totals(struct reader *reader, const struct trace *trace, read_callback callback,
                           void *data);

/* Nobody waits for it any more: the callback does not run. */
void read_abandon(struct read *read);

/* Whether it can read now. */
bool reader_is_ready(const struct reader *reader);

#endif
