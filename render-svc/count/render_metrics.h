/* What a worker of render-svc counts (server/ops/metrics.h).
 *
 * Of the hits it holds at any time that what was accepted is committed, refused or waiting:
 *
 *     accepted = committed + refused (all reasons) + waiting (open and away)
 *
 * That is about what becomes of a hit in the ledger. What its visitor is told may be less: a hit
 * that is answered 503 while its batch is away still waits here, and may be committed.
 */
#ifndef RENDER_COUNT_RENDER_METRICS_H
#define RENDER_COUNT_RENDER_METRICS_H

#include "server/loop/worker.h"

enum refused { REFUSED_FULL, REFUSED_OVERDUE, REFUSED_GIVEN_UP, N_REFUSED };
enum waiting { WAITING_OPEN, WAITING_AWAY, N_WAITING };

#define METRICS_N_LANE_STATES   4
#define METRICS_N_CALL_OUTCOMES 3
#define METRICS_N_MOVES         3

struct render_metrics {
    struct service_metrics service; /* first */
    atomic_uint_fast64_t accepted;
    atomic_uint_fast64_t committed;
    atomic_uint_fast64_t repeated;    /* of the committed */
    atomic_uint_fast64_t unconfirmed; /* of those that are or were away */
    atomic_uint_fast64_t refused[N_REFUSED];
    atomic_uint_fast64_t waiting[N_WAITING];
    atomic_uint_fast64_t lanes[METRICS_N_LANE_STATES]; /* by enum lane_state */
    struct histogram batch_hits;
    struct histogram batch_seconds;
    struct histogram page_seconds;
    struct histogram call_seconds;
    atomic_uint_fast64_t calls[METRICS_N_CALL_OUTCOMES]; /* by enum http_outcome */
    atomic_uint_fast64_t replicas;
    atomic_uint_fast64_t upstream_rank;
    atomic_uint_fast64_t upstream_moves[METRICS_N_MOVES]; /* by enum replicas_move */
    atomic_uint_fast64_t counter_connections;
    atomic_uint_fast64_t counter_connects;
    atomic_uint_fast64_t reads_waiting;
    atomic_uint_fast64_t exports;
    atomic_uint_fast64_t watchers;
};

/* What they are, for service.h. */
extern const struct metric render_metrics[];

/* A worker's own. */
static inline struct render_metrics *render_metrics_of(struct worker *worker)
{
    return (struct render_metrics *)worker->metrics;
}

#endif
