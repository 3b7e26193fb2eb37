/* A worker's budget for responses that wait for their clients. A response of megabytes to a client
 * that does not read holds that memory for up to answer_ms. The budget limits the sum.
 *
 * A response is admitted if it takes at most half of the remaining budget, so long responses are
 * refused before short ones. The budget is short once half of it is used, or after a refusal. While
 * it is short, connections whose response has waited for more than a second are reset. Clients that
 * read are not affected.
 *
 * All calls from the loop's thread.
 */
#ifndef SERVER_HTTP_OUTPUT_BUDGET_H
#define SERVER_HTTP_OUTPUT_BUDGET_H

#include "server/ops/metrics.h"

#include <h2o.h>
#include <stdbool.h>

/* Responses up to this length are not counted: a connection takes as much memory in any case. */
#define OUTPUT_SMALL_BYTES 4096

/* How long a response may wait while the budget is short, in milliseconds. */
#define OUTPUT_LINGER_MS 1000

struct output_budget {
    size_t max_bytes;
    size_t bytes;                 /* in use */
    atomic_uint_fast64_t *metric; /* shows `bytes` */
    bool refused;                 /* a response was refused since the last output_budget_enforce */
    h2o_linklist_t responses;     /* the oldest first */
};

/* `metric` must outlive the budget. */
void output_budget_init(struct output_budget *budget, size_t max_bytes,
                        atomic_uint_fast64_t *metric);

/* Reserves room for a response in the budget of the request's worker, until the request is freed:
 * after the client has taken the response, or the connection has ended. The response has `bytes`
 * bytes of its own, and `shared` bytes for which output_budget_share has reserved room once.
 * Returns false if there is no room. */
bool output_budget_admit(h2o_req_t *req, size_t bytes, size_t shared)
    __attribute__((warn_unused_result));

/* The beginning of memory that responses to several clients share. */
struct output_share {
    struct output_budget *budget;
    size_t bytes;
};

/* Allocates `bytes` bytes that begin with a struct output_share. They are shared by reference
 * (h2o_mem_addref_shared) and keep their room until the last reference is released. Never
 * refused. */
void *output_budget_share(struct output_budget *budget, size_t bytes);

/* Returns whether half of the budget is used, or a response was refused. */
bool output_budget_is_short(const struct output_budget *budget);

/* While the budget is short, resets the connections of responses that have waited for too long.
 * Call it a few times a second. */
void output_budget_enforce(struct output_budget *budget, uint64_t now_ms);

#endif
