/* The metrics of a worker of render-svc (server/ops/metrics.h).
 *
 * Each accepted hit is committed, refused or waiting at any time:
 *
 *     accepted = committed + refused (all reasons) + waiting (open and in flight)
 *
 * These are states of a hit in the ledger, not of the visitor's answer. A hit that is answered 503
 * while its batch is in flight still counts as waiting, and may be committed.
 */
#ifndef RENDER_COUNT_RENDER_METRICS_H
#define RENDER_COUNT_RENDER_METRICS_H

#include "server/loop/worker.h"

enum refused { REFUSED_FULL, REFUSED_EXPIRED, REFUSED_GIVEN_UP, N_REFUSED };
enum waiting { WAITING_OPEN, WAITING_IN_FLIGHT, N_WAITING };

#define METRICS_N_LANE_STATES   4
#define METRICS_N_CALL_OUTCOMES 3
#define METRICS_N_MOVES         3

struct render_metrics {
    struct service_metrics service; /* first */
    atomic_uint_fast64_t accepted;
    atomic_uint_fast64_t committed;
    atomic_uint_fast64_t repeated;    /* of the committed */
    atomic_uint_fast64_t unconfirmed; /* answered 503 while in flight */
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
    atomic_uint_fast64_t subscribers;
};

/* Their names, types and texts, for service.h. */
extern const struct metric render_metrics[];

/* Returns the metrics of this worker. */
static inline struct render_metrics *render_metrics_of(struct worker *worker)
{
    return (struct render_metrics *)worker->metrics;
}

#endif
