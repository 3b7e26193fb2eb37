/* Stopped timers never fire. Timers that are started again wait for their full duration. */
#include "tests/unit/timers_fixture.h"

static void a_stopped_timer_never_fires(void **state)
{
    struct timer_queue queue;

    (void)state;
    timer_queue_init(&queue, &timers, 5);
    for (size_t i = 0; i < 10; i++)
        start_in(&probes[i], i < 5 ? &queue : NULL, 5);
    for (size_t i = 0; i < 10; i += 2) { /* the first and the last of the queue, and others */
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

static void stopping_a_timer_that_does_not_wait_does_nothing(void **state)
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

static void timers_after_a_stopped_one_fire_in_time(void **state)
{
    struct timer_queue queue;

    (void)state;
    timer_queue_init(&queue, &timers, 30);
    start_in(&probes[0], NULL, 5);
    start_in(&probes[1], &queue, 30);
    start_in(&probes[2], NULL, 40);
    timer_stop(&probes[0].timer); /* the loop still wakes up for it */
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

/* Two timers that are due in the same turn: the first one stops the other. */
static void a_callback_can_stop_any_other_timer_that_is_due(void **state)
{
    struct timer_queue queues[2];

    (void)state;
    timer_queue_init(&queues[0], &timers, 2);
    timer_queue_init(&queues[1], &timers, 2);
    /* each in one of two queues or without a queue */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        timed_test(a_stopped_timer_never_fires),
        timed_test(a_timer_that_is_due_can_still_be_stopped),
        timed_test(stopping_a_timer_that_does_not_wait_does_nothing),
        timed_test(timers_after_a_stopped_one_fire_in_time),
        timed_test(a_stopped_timer_that_is_started_again_has_its_whole_time),
        timed_test(a_timer_can_be_started_again_from_its_own_callback),
        timed_test(a_callback_can_stop_any_other_timer_that_is_due),
    };

    alarm(60); /* a loop that hangs fails, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
