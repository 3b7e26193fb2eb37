/* What a worker of counter-svc counts (server/ops/metrics.h).
 *
 * Of the batches, and of the hits in them, it holds at any time that what was received is answered,
 * in one way or another, or waiting. What the outcomes `applied` add up to in all counter-svc is
 * what the ledger has grown by, but for what was committed when the connection to PostgreSQL went
 * before its answer came: that is `unavailable` here, and `repeated` when it comes again.
 */
#ifndef COUNTER_LEDGER_COUNTER_METRICS_H
#define COUNTER_LEDGER_COUNTER_METRICS_H

#include "server/loop/worker.h"

#define METRICS_N_OUTCOMES 4

/* Why a statement of the journal's session did not do what it was for. */
enum commit_failure {
    FAILURE_PASSING, /* SQLSTATE 40, 53, 55, 57, 08: tried again */
    FAILURE_OTHER,   /* any other */
    FAILURE_STANDBY, /* committed, but it may not be safe on a standby: not confirmed */
    FAILURE_LOST,    /* the connection went */
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

/* What they are, for service.h. */
extern const struct metric counter_metrics[];

/* A worker's own. */
static inline struct counter_metrics *counter_metrics_of(struct worker *worker)
{
    return (struct counter_metrics *)worker->metrics;
}

#endif
