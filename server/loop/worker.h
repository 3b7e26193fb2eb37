/* A worker: one thread with an event loop of its own. Workers share nothing except the listening
 * socket and the atomic members below.
 *
 * Code in the loop uses this part of a worker. server/http/http_server.h adds a listener and runs
 * the loop.
 */
#ifndef SERVER_LOOP_WORKER_H
#define SERVER_LOOP_WORKER_H

#include "server/loop/timers.h"
#include "server/ops/metrics.h"
#include "server/ops/settings.h"

#include <h2o.h>
#include <stdatomic.h>
#include <stdbool.h>

struct output_budget;

/* A function that runs once at the end of the current turn of the loop, so that the results of the
 * turn are sent together. Lives inside the caller's struct, zeroed before its first use. */
struct deferred {
    h2o_linklist_t _link;
    void (*_run)(struct deferred *deferred);
};

struct worker {
    const struct service_config *settings;
    unsigned index;
    const char *const
        *routes; /* names of the program's routes; the first one is for requests without a route */
    h2o_loop_t *loop;
    h2o_context_t context;
    struct timers timers;
    struct output_budget *budget;    /* of the responses to its clients */
    uint64_t unlogged;               /* requests since the last line of the access log */
    void *app;                       /* the program's own state of this worker */
    struct service_metrics *metrics; /* the first member of the program's own struct */
    /* Whether the context must stay until the process ends: another thread may still send to it. */
    bool keep_context;

    /* The main thread reads these. */
    atomic_uint_fast64_t last_turn_ms; /* when the last turn of the loop began; UINT64_MAX: the loop
                                          has ended */
    _Atomic(const char *) not_ready; /* why it cannot do its work now: static text; NULL: it can */

    /* private */
    h2o_linklist_t _deferred;
    h2o_timeout_entry_t _deferred_trigger;
    int32_t _wait_ms;
};

/* Creates the loop of a worker. Call it in the thread that will run the loop, because the buffers
 * of libh2o's sockets belong to the thread that creates them. The caller initialises `context`.
 * Returns 0, or -1 with errno. */
int worker_init(struct worker *worker, const struct service_config *settings)
    __attribute__((warn_unused_result));

/* Runs one turn of the loop: waits for events, at most a second, handles them, and runs the
 * deferred functions. */
void worker_turn(struct worker *worker);

/* Frees the timers. The loop stays: libh2o cannot free one. */
void worker_fini(struct worker *worker);

/* Runs `run` once at the end of this turn. Does nothing if it is already due. From the loop's
 * thread. */
void worker_defer(struct worker *worker, struct deferred *deferred,
                  void (*run)(struct deferred *deferred));

/* Cancels a deferred function. Does nothing if it is not due. From the loop's thread. */
void deferred_cancel(struct deferred *deferred);

/* Returns the worker whose loop handles this request. */
static inline struct worker *worker_of(const h2o_req_t *req)
{
    return H2O_STRUCT_FROM_MEMBER(struct worker, context, req->conn->ctx);
}

#endif
