/* Timers fire in order, once, and never early. */
#include "tests/unit/random.h"
#include "tests/unit/timers_fixture.h"

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

/* The times at which they are due decide, not the durations: the process may be stopped between two
 * starts. */
static void timers_without_a_queue_fire_in_the_order_in_which_they_are_due(void **state)
{
    static const uint64_t durations_ms[] = {30, 10, 50, 20, 40, 0, 60, 5};
    uint64_t due_ms[8];

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        start_in(&probes[i], NULL, durations_ms[i]);
        due_ms[i] = probes[i].timer._due_ms;
        assert_true(due_ms[i] >= probes[i].not_before_ms);
    }
    turn_until_fired(8);
    for (size_t i = 0; i < 8; i++) {
        size_t rank = 0;

        for (size_t j = 0; j < 8; j++)
            rank += due_ms[j] < due_ms[i] || (j < i && due_ms[j] == due_ms[i]);
        assert_int_equal(probes[i].rank, rank);
    }
}

static void
timers_without_a_queue_that_are_due_together_fire_in_the_order_of_their_starts(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        timed_test(a_timer_fires_once_from_the_loop_and_never_early),
        timed_test(the_timers_of_a_queue_fire_in_the_order_of_their_starts),
        timed_test(timers_without_a_queue_fire_in_the_order_in_which_they_are_due),
        timed_test(timers_without_a_queue_that_are_due_together_fire_in_the_order_of_their_starts),
        timed_test(a_shorter_timer_does_not_wait_for_a_longer_one),
        timed_test(a_queue_can_be_made_in_a_callback),
        timed_test(a_step_of_the_wall_clock_holds_nothing_up),
        timed_test(many_of_all_kinds_fire_once_each_those_of_a_queue_in_order),
        timed_test(two_sets_of_timers_live_on_one_loop),
        cmocka_unit_test(jitter_is_below_its_limit_and_differs),
    };

    alarm(60); /* a loop that hangs fails, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
