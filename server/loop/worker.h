/* A worker: one thread with a loop of its own that serves one listener. Nothing in it is shared
 * with another worker but the listening socket and what is marked atomic.
 *
 * States, in this order and never back:
 *   running   accepts and answers
 *   draining  the same, with `Connection: close` in each answer; load balancers take their leave
 *   closing   the listener is closed; answers what is in flight, and what still comes on
 *             connections accepted before; idle ones go after a moment, silent ones at the deadline
 *   stopped   no connection is left, or the deadline has passed: the thread ends
 *
 * The main thread is a worker too: its listener is the admin one.
 */
#ifndef SERVER_LOOP_WORKER_H
#define SERVER_LOOP_WORKER_H

#include "server/http/output_budget.h"
#include "server/loop/timers.h"
#include "server/ops/config.h"
#include "server/ops/metrics.h"

#include <h2o.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* What every service can be told; the first member of each program's configuration. */
struct service_config {
    int64_t workers;
    struct config_address listen;
    struct config_address admin_listen;
    int64_t log_level;  /* enum log_level */
    int64_t log_format; /* enum log_format */
    bool access_log;
    int64_t access_log_sample;
    int64_t drain_ms;
    int64_t shutdown_ms;
    int64_t idle_ms;
    int64_t head_ms;
    int64_t body_ms;
    int64_t answer_ms;
    int64_t max_connections;
    int64_t max_target_bytes;
    int64_t max_head_bytes;
    int64_t max_unread_bytes;
    int64_t max_unsent_bytes;
    bool sandbox; /* see sandbox.h */
    char *counter_token;
};

enum worker_state { WORKER_RUNNING, WORKER_DRAINING, WORKER_CLOSING, WORKER_STOPPED };

/* Something to do at the end of a turn of the loop; lives inside what wants it, zeroed before its
 * first use. */
struct deferred {
    h2o_linklist_t _link;
    void (*_run)(struct deferred *deferred);
};

struct worker {
    /* for whoever handles requests */
    const struct service_config *settings;
    unsigned index;
    const char *const *routes; /* the names of the handler's routes, the first for none of them */
    h2o_loop_t *loop;
    h2o_context_t context;
    struct timers timers;
    struct output_budget budget;
    uint64_t unlogged;               /* requests since the last line of the access log */
    void *app;                       /* the program's own state of this worker */
    struct service_metrics *metrics; /* the first member of the program's own struct */
    bool keep_context; /* another thread may still send it something: leave it to the process's end
                        */

    /* read by the main thread */
    atomic_uint_fast64_t last_turn_ms; /* when the loop last went round */
    _Atomic(const char *) not_ready;   /* why it cannot do its work now, NULL: it can */
    atomic_int wanted_state;           /* enum worker_state, written by the main thread */

    /* private */
    enum worker_state _state;
    h2o_accept_ctx_t _accept;
    h2o_socket_t *_listener; /* NULL once closed */
    h2o_socket_t *_wake;     /* an eventfd: wanted_state has changed */
    int _wake_fd;            /* the same, for other threads: open until worker_joined */
    size_t _connections, _max_connections;
    struct timer _accept_pause, _sweep, _look_over;
    h2o_linklist_t _deferred;
    h2o_timeout_entry_t _deferred_trigger;
    uint64_t _closing_since_ms;
    h2o_globalconf_t _globalconf;
    pthread_t _thread;
};

/* Opens a listening socket. Returns it, or -1 with a sentence in `error`. */
int listener_open(const struct config_address *address, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/* Makes the loop of a worker, whose `routes` and `metrics` are set, and lets it serve `listener` (it
 * takes a duplicate); `handle` gets every request, must answer it sooner or later, and within a
 * deadline of its own; larger bodies than `max_body_bytes` are answered 413 by libh2o. In the thread
 * that will run it, as what libh2o's sockets read into belongs to the thread that makes them.
 * Returns 0, or -1 with errno. */
int worker_init(struct worker *worker, const struct service_config *settings, int listener,
                size_t max_body_bytes, int (*handle)(h2o_handler_t *, h2o_req_t *))
    __attribute__((warn_unused_result));

/* Runs the loop until the worker has stopped. */
void worker_run(struct worker *worker);

/* Frees the loop and everything in it. After worker_run, in the same thread. */
void worker_fini(struct worker *worker);

/* Closes what other threads use of the worker. After its thread has ended, from the main thread. */
void worker_joined(struct worker *worker);

/* Moves the worker on to a later state. Any thread, until worker_joined. */
void worker_want(struct worker *worker, enum worker_state state);

/* Lets `run` be called once at the end of this turn of the loop: what a turn brings is gathered and
 * sent together. Does nothing when that is already so. From the loop's thread. */
void worker_defer(struct worker *worker, struct deferred *deferred,
                  void (*run)(struct deferred *deferred));

/* Takes that back. */
void deferred_cancel(struct deferred *deferred);

/* The worker whose loop this request is in. */
static inline struct worker *worker_of(const h2o_req_t *req)
{
    return H2O_STRUCT_FROM_MEMBER(struct worker, context, req->conn->ctx);
}

#endif
