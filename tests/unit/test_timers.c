/* Timers on a real loop: in order, once, never early, never after they were stopped. How late they
 * are is the machine's affair and not tested; a timer that never comes fails by the loop's end. */
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
/* When a test gives up. */
#define PATIENCE_MS 10000

static h2o_loop_t *loop;
static struct timers timers;

/* What the wall clock is wrong by, for libh2o, which reads it so. */
static long wall_clock_step_s;

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int result = (int)syscall(SYS_gettimeofday, now, zone);

    now->tv_sec += wall_clock_step_s;
    return result;
}

/* A timer that is watched. */
struct probe {
    struct timer timer;
    struct timer_queue *queue; /* NULL: an odd one */
    uint64_t not_before_ms;
    uint64_t duration_ms;
    unsigned fired, restarts;
    struct probe *stops; /* when it fires */
    size_t rank;         /* as the how manieth it fired, from 0 */
};

static struct probe probes[MAX_PROBES];
static size_t n_fired;
static bool is_starting;

static void start(struct probe *probe);

static void on_due(struct timer *timer)
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

static void start(struct probe *probe)
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

static void start_in(struct probe *probe, struct timer_queue *queue, uint64_t duration_ms)
{
    probe->queue = queue;
    probe->duration_ms = duration_ms;
    start(probe);
}

static void turn_until_fired(size_t count)
{
    uint64_t end_ms = monotonic_ms() + PATIENCE_MS;

    while (n_fired < count) {
        if (monotonic_ms() > end_ms)
            fail_msg("%zu of %zu fired", n_fired, count);
        h2o_evloop_run(loop, 100);
    }
}

static void turn_for(uint64_t ms)
{
    for (uint64_t end_ms = monotonic_ms() + ms; monotonic_ms() < end_ms;)
        h2o_evloop_run(loop, 1);
}

/* Lets time pass without the loop. */
static void pass(uint64_t ms)
{
    uint64_t end_ms = monotonic_ms() + ms;

    while (monotonic_ms() <= end_ms) {
        const struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
    }
}

static int set_up(void **state)
{
    (void)state;
    if (loop == NULL)
        loop = h2o_evloop_create();
    memset(probes, 0, sizeof(probes));
    n_fired = 0;
    wall_clock_step_s = 0;
    return timers_init(&timers, loop);
}

static int tear_down(void **state)
{
    (void)state;
    timers_fini(&timers);
    h2o_evloop_run(loop, 0); /* frees the socket */
    return 0;
}

static void a_timer_fires_once_from_the_loop_and_never_early(void **state)
{
    static const uint64_t durations_ms[] = {0, 1, 2, 5, 17, 40};

    (void)state;
    for (size_t i = 0; i < sizeof(durations_ms) / sizeof(durations_ms[0]); i++) {
        struct timer_queue queue;
        size_t before = n_fired;

        timer_queue_init(&queue, &timers, durations_ms[i]);
        start_in(&probes[2 * i], &queue, durations_ms[i]);
        start_in(&probes[2 * i + 1], NULL, durations_ms[i]);
        assert_int_equal(n_fired, before);
        turn_until_fired(before + 2);
        turn_for(durations_ms[i] + 5);
        assert_int_equal(n_fired, before + 2);
        timer_queue_fini(&queue);
    }
}

static void the_timers_of_a_queue_fire_in_the_order_of_their_starts(void **state)
{
    struct timer_queue queue;

    (void)state;
    timer_queue_init(&queue, &timers, 10);
    for (size_t i = 0; i < 100; i++) {
        start_in(&probes[99 - i], &queue, 10);
        if (i % 10 == 9)
            pass(1);
    }
    turn_until_fired(100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(probes[99 - i].rank, i);
    timer_queue_fini(&queue);
}

static void odd_timers_fire_in_the_order_in_which_they_fall_due(void **state)
{
    static const uint64_t durations_ms[] = {30, 10, 50, 20, 40, 0, 60, 5};
    static const size_t order[] = {4, 2, 6, 3, 5, 0, 7, 1};

    (void)state;
    for (size_t i = 0; i < 8; i++)
        start_in(&probes[i], NULL, durations_ms[i]);
    turn_until_fired(8);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(probes[i].rank, order[i]);
}

static void odd_timers_that_fall_due_together_fire_in_the_order_of_their_starts(void **state)
{
    (void)state;
    for (int all_at_once = 0; all_at_once < 2; all_at_once++) {
        size_t before = n_fired;

        for (size_t i = 0; i < 50; i++)
            start_in(&probes[i], NULL, 5);
        if (all_at_once)
            pass(10);
        turn_until_fired(before + 50);
        for (size_t i = 0; i < 50; i++)
            assert_int_equal(probes[i].rank, before + i);
    }
}

static void a_shorter_timer_does_not_wait_for_a_longer_one(void **state)
{
    struct timer_queue hour, moment;

    (void)state;
    timer_queue_init(&hour, &timers, 3600000);
    timer_queue_init(&moment, &timers, 3);
    start_in(&probes[0], &hour, 3600000);
    start_in(&probes[1], NULL, 3600000);
    start_in(&probes[2], NULL, 3);
    turn_until_fired(1);
    start_in(&probes[3], &moment, 3);
    turn_until_fired(2);
    assert_int_equal(probes[2].fired, 1);
    assert_int_equal(probes[3].fired, 1);
    assert_true(timer_is_waiting(&probes[0].timer));
    assert_true(timer_is_waiting(&probes[1].timer));
    timer_stop(&probes[0].timer);
    timer_stop(&probes[1].timer);
    timer_queue_fini(&hour);
    timer_queue_fini(&moment);
}

static void a_stopped_timer_never_fires(void **state)
{
    struct timer_queue queue;

    (void)state;
    timer_queue_init(&queue, &timers, 5);
    for (size_t i = 0; i < 10; i++)
        start_in(&probes[i], i < 5 ? &queue : NULL, 5);
    for (size_t i = 0; i < 10; i += 2) { /* the first, the last and some between */
        timer_stop(&probes[i].timer);
        assert_false(timer_is_waiting(&probes[i].timer));
    }
    turn_until_fired(5);
    turn_for(20);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(probes[i].fired, i % 2);
    timer_queue_fini(&queue);
}

static void a_timer_that_is_due_can_still_be_stopped(void **state)
{
    struct timer_queue queue;

    (void)state;
    timer_queue_init(&queue, &timers, 2);
    start_in(&probes[0], &queue, 2);
    start_in(&probes[1], NULL, 2);
    pass(5);
    timer_stop(&probes[0].timer);
    timer_stop(&probes[1].timer);
    turn_for(20);
    assert_int_equal(n_fired, 0);
    timer_queue_fini(&queue);
}

static void to_stop_what_does_not_wait_does_nothing(void **state)
{
    (void)state;
    timer_stop(&probes[0].timer);
    start_in(&probes[0], NULL, 0);
    turn_until_fired(1);
    timer_stop(&probes[0].timer);
    timer_stop(&probes[0].timer);
    start_in(&probes[0], NULL, 1);
    turn_until_fired(2);
    assert_int_equal(probes[0].fired, 2);
}

static void those_behind_a_stopped_timer_fire_in_their_time(void **state)
{
    struct timer_queue queue;

    (void)state;
    timer_queue_init(&queue, &timers, 30);
    start_in(&probes[0], NULL, 5);
    start_in(&probes[1], &queue, 30);
    start_in(&probes[2], NULL, 40);
    timer_stop(&probes[0].timer); /* the loop will wake up for nothing */
    turn_until_fired(2);
    assert_int_equal(probes[1].fired, 1);
    assert_int_equal(probes[2].fired, 1);
    timer_queue_fini(&queue);
}

static void a_stopped_timer_that_is_started_again_has_its_whole_time(void **state)
{
    struct timer_queue queue;

    (void)state;
    timer_queue_init(&queue, &timers, 20);
    for (size_t i = 0; i < 2; i++)
        start_in(&probes[i], i == 0 ? &queue : NULL, 20);
    pass(15);
    for (size_t i = 0; i < 2; i++) {
        timer_stop(&probes[i].timer);
        start(&probes[i]); /* on_due compares with this start */
    }
    turn_until_fired(2);
    turn_for(25);
    assert_int_equal(n_fired, 2);
    timer_queue_fini(&queue);
}

static void a_timer_can_be_started_again_from_its_own_callback(void **state)
{
    struct timer_queue queue;

    (void)state;
    timer_queue_init(&queue, &timers, 3);
    probes[0].restarts = probes[1].restarts = probes[2].restarts = 5;
    start_in(&probes[0], &queue, 3);
    start_in(&probes[1], NULL, 4);
    start_in(&probes[2], NULL, 0);
    turn_until_fired(18);
    turn_for(10);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(probes[i].fired, 6);
    timer_queue_fini(&queue);
}

/* Two that fall due in the same turn: the first to fire stops the other. */
static void a_callback_can_stop_any_other_that_is_due(void **state)
{
    struct timer_queue queues[2];

    (void)state;
    timer_queue_init(&queues[0], &timers, 2);
    timer_queue_init(&queues[1], &timers, 2);
    /* within a queue, among the odd ones, and from each to each */
    for (size_t i = 0; i < 9; i++) {
        struct probe *one = &probes[2 * i], *other = &probes[2 * i + 1];
        struct timer_queue *kinds[] = {&queues[0], &queues[1], NULL};
        size_t before = n_fired;

        one->stops = other;
        other->stops = one;
        start_in(one, kinds[i / 3], 2);
        start_in(other, kinds[i % 3], 2);
        pass(5);
        turn_until_fired(before + 1);
        turn_for(5);
        assert_int_equal(one->fired + other->fired, 1);
        assert_false(timer_is_waiting(&one->timer));
        assert_false(timer_is_waiting(&other->timer));
    }
    timer_queue_fini(&queues[0]);
    timer_queue_fini(&queues[1]);
}

static struct timer_queue late_queue;

static void on_due_begin_a_queue(struct timer *timer)
{
    (void)timer;
    timer_queue_init(&late_queue, &timers, 1);
    start_in(&probes[1], &late_queue, 1);
}

static void a_queue_can_be_made_in_a_callback(void **state)
{
    (void)state;
    timer_start_after(&timers, &probes[0].timer, 1, on_due_begin_a_queue);
    turn_until_fired(1);
    assert_int_equal(probes[1].fired, 1);
    timer_queue_fini(&late_queue);
}

static void a_step_of_the_wall_clock_holds_nothing_up(void **state)
{
    static const long steps_s[] = {-3600, 3600, -86400};
    struct timer_queue queue;

    (void)state;
    timer_queue_init(&queue, &timers, 10);
    for (size_t i = 0; i < 3; i++) {
        size_t before = n_fired;

        start_in(&probes[0], &queue, 10);
        start_in(&probes[1], NULL, 10);
        h2o_evloop_run(loop, 0);
        wall_clock_step_s = steps_s[i];
        turn_until_fired(before + 2);
    }
    timer_queue_fini(&queue);
}

/* xorshift64: the same numbers in each run. */
static uint64_t random_below(uint64_t *seed, uint64_t limit)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed % limit;
}

static void many_of_all_kinds_fire_once_each_those_of_a_queue_in_order(void **state)
{
    static const uint64_t durations_ms[] = {1, 7, 20, 33};
    struct timer_queue queues[4];
    size_t expected = 0, last_rank[4] = {0};
    bool stopped[MAX_PROBES] = {false};
    uint64_t seed = 600;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        timer_queue_init(&queues[i], &timers, durations_ms[i]);
    for (size_t i = 0; i < MAX_PROBES; i++) {
        size_t kind = random_below(&seed, 5);

        if (kind < 4)
            start_in(&probes[i], &queues[kind], durations_ms[kind]);
        else
            start_in(&probes[i], NULL, random_below(&seed, 40));
        if (random_below(&seed, 4) == 0) {
            size_t other = random_below(&seed, i + 1);
            stopped[other] |= timer_is_waiting(&probes[other].timer);
            timer_stop(&probes[other].timer);
        }
        if (random_below(&seed, 10) == 0)
            h2o_evloop_run(loop, 1);
    }
    for (size_t i = 0; i < MAX_PROBES; i++)
        expected += !stopped[i];
    turn_until_fired(expected);
    turn_for(45);
    for (size_t i = 0; i < MAX_PROBES; i++) {
        size_t queue = (size_t)(probes[i].queue - queues);

        assert_int_equal(probes[i].fired, !stopped[i]);
        if (probes[i].queue == NULL || stopped[i])
            continue;
        assert_true(probes[i].rank >= last_rank[queue]);
        last_rank[queue] = probes[i].rank;
    }
    for (size_t i = 0; i < 4; i++)
        timer_queue_fini(&queues[i]);
}

static void two_sets_of_timers_live_on_one_loop(void **state)
{
    struct timers others;
    struct timer_queue queue;
    struct probe *probe = &probes[1];

    (void)state;
    assert_int_equal(timers_init(&others, loop), 0);
    timer_queue_init(&queue, &others, 3);
    start_in(&probes[0], NULL, 3600000);
    start_in(probe, &queue, 3);
    turn_until_fired(1);
    assert_int_equal(probe->fired, 1);
    timer_stop(&probes[0].timer);
    timer_queue_fini(&queue);
    timers_fini(&others);
}

static void jitter_is_below_its_limit_and_differs(void **state)
{
    uint64_t first = jitter(UINT64_MAX);
    bool differs = false, seen[3] = {false};

    (void)state;
    assert_int_equal(jitter(0), 0);
    assert_int_equal(jitter(1), 0);
    for (int i = 0; i < 200; i++) {
        uint64_t below_3 = jitter(3);
        assert_true(below_3 < 3);
        seen[below_3] = true;
        differs |= jitter(UINT64_MAX) != first;
    }
    assert_true(differs && seen[0] && seen[1] && seen[2]);
}

#define timed_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        timed_test(a_timer_fires_once_from_the_loop_and_never_early),
        timed_test(the_timers_of_a_queue_fire_in_the_order_of_their_starts),
        timed_test(odd_timers_fire_in_the_order_in_which_they_fall_due),
        timed_test(odd_timers_that_fall_due_together_fire_in_the_order_of_their_starts),
        timed_test(a_shorter_timer_does_not_wait_for_a_longer_one),
        timed_test(a_stopped_timer_never_fires),
        timed_test(a_timer_that_is_due_can_still_be_stopped),
        timed_test(to_stop_what_does_not_wait_does_nothing),
        timed_test(those_behind_a_stopped_timer_fire_in_their_time),
        timed_test(a_stopped_timer_that_is_started_again_has_its_whole_time),
        timed_test(a_timer_can_be_started_again_from_its_own_callback),
        timed_test(a_callback_can_stop_any_other_that_is_due),
        timed_test(a_queue_can_be_made_in_a_callback),
        timed_test(a_step_of_the_wall_clock_holds_nothing_up),
        timed_test(many_of_all_kinds_fire_once_each_those_of_a_queue_in_order),
        timed_test(two_sets_of_timers_live_on_one_loop),
        cmocka_unit_test(jitter_is_below_its_limit_and_differs),
    };

    alarm(60); /* a loop that hangs fails, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
