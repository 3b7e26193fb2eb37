/* The writer: applies batches to the ledger, each exactly once, and answers each with its own
 * numbers.
 *
 * Batches wait in one queue per worker. Whenever one of the worker's sessions is free, those that
 * wait leave together, merged into one statement: at most one batch of a lane, and no more than the
 * answer needs to fit the socket's buffers. Then, by what PostgreSQL says:
 *
 *   applied            the transaction's Sync has been answered: each batch gets its numbers
 *   not applied        some lane was not where its batch expects it, so nothing was changed. The
 *                      answer holds every lane's sequence, read under its lock: a batch whose
 *                      sequence the lane has already is a repeat, and confirmed by this
 *                      transaction's Sync; one that follows goes back to the head of the queue; any
 *                      other is a conflict
 *   warned             the commit may not be safe on a standby: as if nothing were known, so the
 *                      batches go back, and are repeats next time
 *   40, 53, 57, 08     the whole merge is tried again after a pause
 *   55                 (a lock) each batch goes by itself from then on: a row that somebody holds
 *                      holds up only the batches that need it
 *   22, 23, any other  the merge is split between its batches; one that is refused alone for its
 *                      data (22, 23) ends its lane
 *   lost               nobody knows: 503, and whoever sent the batch repeats it
 *
 * There may be `max_paths` paths. New ones beyond leave their hits to the overflow row, in the same
 * statement (sql/apply_some.sql). How much room there is, is the sum over the lanes' rows: it is
 * looked at with every batch once there is room for less than a million paths, and until then once
 * a second. Statements that run at once do not see each other's paths, and one adds at most 1,024:
 * so there may be 1,024 more than max_paths for each further session, of any worker and any
 * counter-svc, that writes.
 *
 * All calls from the loop's thread.
 */
#ifndef COUNTER_WRITER_H
#define COUNTER_WRITER_H

#include "counter-svc/session.h"
#include "proto/api.h"
#include "service/trace.h"

/* In the order of their names in metrics. */
enum write_outcome {
    WRITE_APPLIED,
    WRITE_REPEAT,     /* it had been applied before; the counts are to be read */
    WRITE_CONFLICT,   /* the lane is unknown, or the sequence is not its next */
    WRITE_REFUSED,    /* PostgreSQL refuses this batch; its lane has ended */
    WRITE_UNAVAILABLE /* nothing is known, or nothing was done: to be repeated */
};

/* Runs exactly once for each batch that is not abandoned, from the loop, never before writer_add
 * returns. `numbers`: for WRITE_APPLIED, one for each path of the batch. */
typedef void (*write_callback)(void *data, enum write_outcome outcome,
                               const struct number *numbers);

/* For WRITE_APPLIED the new lane, otherwise 0. */
typedef void (*lane_callback)(void *data, enum write_outcome outcome, int64_t lane);

struct writer;
struct write; /* a batch on its way */
struct lane_request;

struct writer_settings {
    int64_t sessions;
    int64_t max_batches; /* in the queue; more are answered WRITE_UNAVAILABLE */
    int64_t deadline_ms; /* how long a batch may wait */
    int64_t forget_s;    /* lanes silent for longer are forgotten */
    int64_t max_paths;   /* that have a row */
};

/* `on_change` runs whenever writer_is_ready may have changed. */
struct writer *writer_open(struct worker *worker, const struct session_settings *session_settings,
                           const struct writer_settings *settings,
                           void (*on_change)(struct worker *worker));

/* Takes NULL. No callback runs any more. */
void writer_close(struct writer *writer);

/* Takes the hits over. `trace`, here and below, is what the request belongs to; it is copied. */
struct write *writer_add(struct writer *writer, struct hits *hits, const struct trace *trace,
                         write_callback callback, void *data);

/* The batch; good until the callback has returned. */
const struct batch *write_batch(const struct write *write);

/* Nobody waits for the answer any more: the callback does not run. A batch that has not left yet is
 * withdrawn. */
void write_abandon(struct write *write);

/* Makes a new lane. */
struct lane_request *writer_new_lane(struct writer *writer, const struct trace *trace,
                                     lane_callback callback, void *data);

void lane_request_abandon(struct lane_request *request);

/* Whether it can write now. */
bool writer_is_ready(const struct writer *writer);

#endif
