/* A worker without a loop: the test ends each turn and each pause. It replaces timers and deferred
 * functions (the linker's --wrap). It knows only the last timer that was started and the last
 * function that was deferred. Include it after cmocka.h. */
#ifndef TESTS_UNIT_LOOP_FIXTURE_H
#define TESTS_UNIT_LOOP_FIXTURE_H

#include "tests/unit/wrapped.h"

static struct {
    struct deferred *deferred; /* NULL: none is due */
    struct timer *timer;       /* NULL: none is waiting */
} loop;

void __wrap_timer_start_after(struct timers *timers, struct timer *timer, uint64_t delay_ms,
                              void (*callback)(struct timer *timer))
{
    (void)timers, (void)delay_ms;
    timer->_on_due = callback;
    loop.timer = timer;
}

void __wrap_timer_stop(struct timer *timer)
{
    if (timer == loop.timer)
        loop.timer = NULL;
}

bool __wrap_timer_is_waiting(const struct timer *timer)
{
    return timer == loop.timer;
}

uint64_t __wrap_jitter(uint64_t limit)
{
    return limit != 0 ? limit - 1 : 0;
}

void __wrap_worker_defer(struct worker *worker, struct deferred *deferred,
                         void (*run)(struct deferred *deferred))
{
    (void)worker;
    deferred->_run = run;
    loop.deferred = deferred;
}

void __wrap_deferred_cancel(struct deferred *deferred)
{
    if (deferred == loop.deferred)
        loop.deferred = NULL;
}

static inline void end_turn(void)
{
    struct deferred *deferred = loop.deferred;

    loop.deferred = NULL;
    if (deferred != NULL)
        deferred->_run(deferred);
}

/* Lets the waiting timer expire. */
static inline void end_pause(void)
{
    struct timer *timer = loop.timer;

    assert_non_null(timer);
    loop.timer = NULL;
    timer->_on_due(timer);
}

#endif
