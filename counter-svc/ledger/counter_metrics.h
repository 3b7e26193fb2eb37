/* The metrics of counter-svc (server/ops/metrics.h).
 *
 * At any time, received batches = answered batches of all outcomes + waiting batches. The same
 * holds for their hits. The hits with the outcome `applied` of all counter-svc are the growth of
 * the ledger, with one exception: if the connection to PostgreSQL is lost between a commit and its
 * answer, the batch is `unavailable`, and `repeated` when it comes again.
 */
#ifndef COUNTER_LEDGER_COUNTER_METRICS_H
#define COUNTER_LEDGER_COUNTER_METRICS_H

#include "server/loop/worker.h"

#define METRICS_N_OUTCOMES 4

/* Why a statement of the journal failed. */
enum commit_failure {
    FAILURE_PASSING, /* transient, SQLSTATE class 40, 53, 55, 57 or 08: tried again */
    FAILURE_OTHER,   /* any other */
    FAILURE_STANDBY, /* committed, but perhaps not on a standby: not confirmed */
    FAILURE_LOST,    /* the connection was lost */
    N_COMMIT_FAILURES
};

struct counter_metrics {
    struct service_metrics service; /* first */
    atomic_uint_fast64_t batches_received;
    atomic_uint_fast64_t batches_answered[METRICS_N_OUTCOMES]; /* by enum journal_outcome */
    atomic_uint_fast64_t batches_waiting;
    atomic_uint_fast64_t hits_received;
    atomic_uint_fast64_t hits_answered[METRICS_N_OUTCOMES];
    atomic_uint_fast64_t hits_waiting;
    struct histogram commit_batches;
    struct histogram commit_paths;
    struct histogram commit_seconds;
    atomic_uint_fast64_t commit_failures[N_COMMIT_FAILURES];
    atomic_uint_fast64_t conflicts;
    atomic_uint_fast64_t reloads;
    atomic_uint_fast64_t unfolded_entries;
    atomic_uint_fast64_t unfolded_s;
    atomic_uint_fast64_t unfolded_paths;
    atomic_uint_fast64_t max_unfolded;
    atomic_uint_fast64_t max_cached_bytes;
    struct histogram fold_seconds;
    atomic_uint_fast64_t fold_failures;
    atomic_uint_fast64_t folded_entries;
    atomic_uint_fast64_t quarantined_paths;
    atomic_uint_fast64_t cached_paths;
    atomic_uint_fast64_t cached_bytes;
    atomic_uint_fast64_t looked_up_paths;
    atomic_uint_fast64_t lanes;
    struct histogram read_seconds;
    atomic_uint_fast64_t reads_waiting;
    atomic_uint_fast64_t lanes_opened;
    atomic_uint_fast64_t ledger_hits;
    atomic_uint_fast64_t ledger_paths;
    atomic_uint_fast64_t ledger_max_paths;
    atomic_uint_fast64_t sessions;
    atomic_uint_fast64_t sessions_wanted;
    atomic_uint_fast64_t connects;
    atomic_uint_fast64_t connect_failures;
    atomic_uint_fast64_t losses;
};

/* Their names and types, for service.h. */
extern const struct metric counter_metrics[];

/* Returns the metrics of a worker. */
static inline struct counter_metrics *counter_metrics_of(struct worker *worker)
{
    return (struct counter_metrics *)worker->metrics;
}

#endif
