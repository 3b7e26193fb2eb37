#include "server/loop/worker.h"

#include "server/ops/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Maximum wait of a turn, in milliseconds, so that last_turn_ms shows whether the loop is stuck. */
#define MAX_WAIT_MS 1000

static void on_deferred_due(h2o_timeout_entry_t *trigger);

int worker_init(struct worker *worker, const struct service_config *settings)
{
    worker->settings = settings;
    worker->loop = h2o_evloop_create();
    h2o_linklist_init_anchor(&worker->_deferred);
    worker->_deferred_trigger.cb = on_deferred_due;
    worker->_wait_ms = MAX_WAIT_MS;
    atomic_store(&worker->last_turn_ms, monotonic_ms());
    return timers_init(&worker->timers, worker->loop);
}

/* Runs the deferred functions, also those that they defer. Returns whether there were any. */
static bool run_deferred(struct worker *worker)
{
    bool any = false;

    while (!h2o_linklist_is_empty(&worker->_deferred)) {
        struct deferred *deferred =
            H2O_STRUCT_FROM_MEMBER(struct deferred, _link, worker->_deferred.next);
        h2o_linklist_unlink(&deferred->_link);
        deferred->_run(deferred);
        any = true;
    }
    return any;
}

static void on_deferred_due(h2o_timeout_entry_t *trigger)
{
    run_deferred(H2O_STRUCT_FROM_MEMBER(struct worker, _deferred_trigger, trigger));
}

void worker_turn(struct worker *worker)
{
    atomic_store_explicit(&worker->last_turn_ms, monotonic_ms(), memory_order_relaxed);
    if (h2o_evloop_run(worker->loop, worker->_wait_ms) != 0 && errno != EINTR) {
        log_event(LOG_LEVEL_ERROR, "loop-failed", "error=%s", LOG_QUOTED(strerror(errno)));
        abort();
    }
    /* libh2o has already run them, unless the wall clock stepped back. */
    worker->_wait_ms = run_deferred(worker) ? 0 : MAX_WAIT_MS;
    log_sum_up(false);
}

void worker_defer(struct worker *worker, struct deferred *deferred,
                  void (*run)(struct deferred *deferred))
{
    if (h2o_linklist_is_linked(&deferred->_link))
        return;
    deferred->_run = run;
    h2o_linklist_insert(&worker->_deferred, &deferred->_link);
    if (!h2o_timeout_is_linked(&worker->_deferred_trigger))
        h2o_timeout_link(worker->loop, &worker->context.zero_timeout, &worker->_deferred_trigger);
}

void deferred_cancel(struct deferred *deferred)
{
    if (h2o_linklist_is_linked(&deferred->_link))
        h2o_linklist_unlink(&deferred->_link);
}

void worker_fini(struct worker *worker)
{
    h2o_timeout_unlink(&worker->_deferred_trigger);
    timers_fini(&worker->timers);
}
