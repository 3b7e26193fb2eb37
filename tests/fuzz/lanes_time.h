/* Timers and turns of the loop, for lanes.c. */
#ifndef TESTS_FUZZ_LANES_TIME_H
#define TESTS_FUZZ_LANES_TIME_H

#include "tests/fuzz/lanes_world.h"

void __wrap_timer_start_after(struct timers *timers, struct timer *timer, uint64_t duration_ms,
                              void (*on_due)(struct timer *))
{
    MUST(timers == &world.worker.timers && !world.is_gone);
    MUST(!__wrap_timer_is_waiting(timer) && world.n_timers < MAX_TIMERS);
    timer->_due_ms = world.now_ms + duration_ms;
    timer->_on_due = on_due;
    world.timers[world.n_timers++] = timer;
}

bool __wrap_timer_is_waiting(const struct timer *timer)
{
    for (size_t i = 0; i < world.n_timers; ++i)
        if (world.timers[i] == timer)
            return true;
    return false;
}

void __wrap_timer_stop(struct timer *timer)
{
    for (size_t i = 0; i < world.n_timers; ++i)
        if (world.timers[i] == timer)
            world.timers[i] = world.timers[--world.n_timers];
}

uint64_t __wrap_jitter(uint64_t limit)
{
    return limit == 0 ? 0 : next_byte() % limit;
}

static struct timer *first_timer(void)
{
    struct timer *first = NULL;

    for (size_t i = 0; i < world.n_timers; ++i)
        if (first == NULL || world.timers[i]->_due_ms < first->_due_ms)
            first = world.timers[i];
    return first;
}

static void pass(uint64_t duration_ms)
{
    struct timer *timer;

    world.now_ms += duration_ms;
    while ((timer = first_timer()) != NULL && timer->_due_ms <= world.now_ms) {
        __wrap_timer_stop(timer);
        timer->_on_due(timer);
    }
}

void __wrap_worker_defer(struct worker *worker, struct deferred *deferred,
                         void (*run)(struct deferred *deferred))
{
    MUST(worker == &world.worker && !world.is_gone);
    deferred->_run = run;
    world.deferred = deferred;
}

void __wrap_deferred_cancel(struct deferred *deferred)
{
    MUST(world.deferred == NULL || world.deferred == deferred);
    world.deferred = NULL;
}

static void end_turn(void)
{
    struct deferred *deferred = world.deferred;

    world.deferred = NULL;
    if (deferred != NULL)
        deferred->_run(deferred);
    /* If a lane is free, and no batch lingers or pauses, then no hit is in the open batch. */
    if (world.n_calls < (size_t)world.settings.lanes && world.n_timers == 0)
        MUST(world.n_open == 0);
}

#endif
