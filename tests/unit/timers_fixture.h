/* Tests of timers on a real loop: each timer is a probe that notes when it fires. Timers may be
 * late, because that depends on the machine. A timer that never fires exceeds the deadline of the
 * loop. */
#ifndef TESTS_UNIT_TIMERS_FIXTURE_H
#define TESTS_UNIT_TIMERS_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "server/loop/timers.h"

#define MAX_PROBES 600
/* The deadline of the loop. */
#define TIMEOUT_MS 10000

static h2o_loop_t *loop;
static struct timers timers;

/* The error of the wall clock, in seconds. libh2o reads this clock. */
static long wall_clock_step_s;

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int result = (int)syscall(SYS_gettimeofday, now, zone);

    now->tv_sec += wall_clock_step_s;
    return result;
}

/* A timer that notes when it fires. */
struct probe {
    struct timer timer;
    struct timer_queue *queue; /* NULL: a timer without a queue */
    uint64_t not_before_ms;
    uint64_t duration_ms;
    unsigned fired, restarts;
    struct probe *stops; /* that it stops when it fires; NULL: none */
    size_t rank;         /* its position in the order of firing, from 0 */
};

static struct probe probes[MAX_PROBES];
static size_t n_fired;
static bool is_starting;

static void start(struct probe *probe);

static inline void on_due(struct timer *timer)
{
    struct probe *probe = H2O_STRUCT_FROM_MEMBER(struct probe, timer, timer);

    assert_false(is_starting);
    assert_true(monotonic_ms() >= probe->not_before_ms);
    assert_false(timer_is_waiting(timer));
    probe->rank = n_fired++;
    ++probe->fired;
    if (probe->stops != NULL)
        timer_stop(&probe->stops->timer);
    if (probe->restarts > 0) {
        --probe->restarts;
        start(probe);
    }
}

static inline void start(struct probe *probe)
{
    probe->not_before_ms = monotonic_ms() + probe->duration_ms;
    is_starting = true;
    if (probe->queue != NULL)
        timer_start(probe->queue, &probe->timer, on_due);
    else
        timer_start_after(&timers, &probe->timer, probe->duration_ms, on_due);
    is_starting = false;
    assert_true(timer_is_waiting(&probe->timer));
}

static inline void start_in(struct probe *probe, struct timer_queue *queue, uint64_t duration_ms)
{
    probe->queue = queue;
    probe->duration_ms = duration_ms;
    start(probe);
}

static inline void turn_until_fired(size_t count)
{
    uint64_t end_ms = monotonic_ms() + TIMEOUT_MS;

    while (n_fired < count) {
        if (monotonic_ms() > end_ms)
            fail_msg("%zu of %zu fired", n_fired, count);
        h2o_evloop_run(loop, 100);
    }
}

static inline void turn_for(uint64_t ms)
{
    for (uint64_t end_ms = monotonic_ms() + ms; monotonic_ms() < end_ms;)
        h2o_evloop_run(loop, 1);
}

/* Lets time pass while the loop does not run. */
static inline void pass(uint64_t ms)
{
    uint64_t end_ms = monotonic_ms() + ms;

    while (monotonic_ms() <= end_ms) {
        const struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
    }
}

static inline int set_up(void **state)
{
    (void)state;
    if (loop == NULL)
        loop = h2o_evloop_create();
    memset(probes, 0, sizeof(probes));
    n_fired = 0;
    wall_clock_step_s = 0;
    return timers_init(&timers, loop);
}

static inline int tear_down(void **state)
{
    (void)state;
    timers_fini(&timers);
    h2o_evloop_run(loop, 0); /* frees the socket */
    return 0;
}

#define timed_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
