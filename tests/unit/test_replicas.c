/* The replica that a worker uses: events that move it, events that do not, and changes of the
 * list. */
#include "tests/unit/replicas_fixture.h"
#include "tests/unit/violates.h"

/* --- the address in use --- */

static void without_addresses_none_is_used(void **state)
{
    (void)state;
    replicas_init(&worker, 0);
    assert_null(replicas_used(&worker));
    assert_int_equal(begin_probe(), 0);
}

static void a_worker_begins_with_the_lowest_address_and_stays_with_it(void **state)
{
    struct http_address lowest = address(1);

    (void)state;
    assert_true(http_address_equals(replicas_used(&worker), &lowest));
    assert_int_equal(pass(60000, 1), REPLICAS_STAYS);
    assert_uses(1);
    assert_true(answer(1));
    assert_false(answer(2));
    assert_false(answer(9));
}

static void a_failure_moves_the_worker_to_the_next_address_at_once(void **state)
{
    (void)state;
    assert_int_equal(has_failed(1), REPLICAS_FAILED);
    assert_uses(2);
    assert_left(1);
    assert_int_equal(has_failed(2), REPLICAS_FAILED);
    assert_uses(3);
    assert_left(2);
}

static void a_failure_of_another_address_does_not_move_the_worker(void **state)
{
    (void)state;
    assert_int_equal(has_failed(2), REPLICAS_STAYS);
    assert_int_equal(has_failed(9), REPLICAS_STAYS);
    assert_uses(1);
    assert_int_equal(worker.failures, 0);
}

static void after_a_failure_a_lower_address_that_has_not_failed_recently_is_used(void **state)
{
    (void)state;
    has_failed(1);
    has_failed(2);
    now += REPLICAS_FAILED_MS - 5; /* both failed recently */
    assert_int_equal(has_failed(3), REPLICAS_FAILED);
    assert_uses(1);
    set_up(state);
    has_failed(1);
    now += REPLICAS_FAILED_MS - 5;
    has_failed(2);
    assert_uses(3);
    now += 5; /* the first failed long ago, the second recently */
    assert_int_equal(has_failed(3), REPLICAS_FAILED);
    assert_uses(1);
}

static void an_address_that_answers_has_not_failed_recently(void **state)
{
    (void)state;
    has_failed(1);
    answer(1);
    assert_int_equal(has_failed(2), REPLICAS_FAILED);
    assert_uses(1);
}

static void if_all_failed_recently_the_one_that_failed_longest_ago_is_used(void **state)
{
    static const int order[] = {1, 2, 3, 1, 2, 3, 1};

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(order) / sizeof(order[0]); ++i) {
        assert_uses(order[i]);
        assert_int_equal(has_failed(order[i]), REPLICAS_FAILED);
        assert_uses(order[i + 1]);
    }
}

static void calls_in_flight_fail_with_their_address_and_count_once(void **state)
{
    struct http_address first = address(1);
    uint64_t begun = now;

    (void)state;
    set(&worker, 1, 1);
    now += 100;
    assert_int_equal(replicas_failed(&worker, &first, begun, now), REPLICAS_STAYS);
    assert_int_equal(worker.failures, 1);
    now += 100;
    replicas_failed(&worker, &first, begun + 50, now);
    replicas_failed(&worker, &first, begun + 100, now);
    assert_int_equal(worker.failures, 1);
    replicas_failed(&worker, &first, begun + 101, now);
    assert_int_equal(worker.failures, 2);
}

static void all_have_failed_when_none_has_answered_in_between(void **state)
{
    (void)state;
    assert_false(replicas_all_failed(&worker));
    has_failed(1);
    has_failed(2);
    assert_false(replicas_all_failed(&worker));
    assert_false(answer(1)); /* an address that is not in use: no effect */
    has_failed(3);
    assert_true(replicas_all_failed(&worker));
    assert_true(answer((int)worker.used + 1));
    assert_false(replicas_all_failed(&worker));
    set(&worker, 1, 1);
    has_failed(1);
    assert_true(replicas_all_failed(&worker));
}

/* --- the list --- */

static void the_address_in_use_is_kept_when_others_come_and_go(void **state)
{
    (void)state;
    has_failed(1);
    assert_int_equal(set(&worker, 2, 3), REPLICAS_STAYS);
    assert_int_equal(worker.used, 0);
    assert_string_equal(replicas_used(&worker)->host, address(2).host);
    assert_int_equal(set(&worker, 1, 5), REPLICAS_STAYS);
    assert_uses(2);
}

static void when_the_address_in_use_is_removed_another_is_used(void **state)
{
    (void)state;
    assert_int_equal(set(&worker, 2, 4), REPLICAS_REMOVED);
    assert_string_equal(replicas_used(&worker)->host, address(2).host);
    assert_left(1);
    set_up(state);
    has_failed(1); /* it is avoided now */
    has_failed(2);
    struct http_address found[] = {address(1), address(2), address(4)};
    assert_int_equal(replicas_set(&worker, found, 3, now), REPLICAS_REMOVED);
    assert_string_equal(replicas_used(&worker)->host, address(4).host);
}

static void an_address_that_stays_in_the_list_keeps_its_history(void **state)
{
    (void)state;
    has_failed(1);
    set(&worker, 1, 2);
    has_failed(2);
    assert_uses(1);
    set_up(state);
    has_failed(1);
    assert_int_equal(pass(REPLICAS_HOLD_MS - 1000, 1), REPLICAS_STAYS);
    set(&worker, 1, 2);
    assert_int_equal(pass(1500, 1), REPLICAS_RETURNED);
}

static void the_maximum_of_addresses_is_used_in_turn(void **state)
{
    (void)state;
    set(&worker, 1, REPLICAS_MAX);
    for (int number = 1; number < REPLICAS_MAX; ++number) {
        assert_uses(number);
        has_failed(number);
        assert_false(replicas_all_failed(&worker));
    }
    has_failed(REPLICAS_MAX);
    assert_true(replicas_all_failed(&worker));
    assert_uses(1);
}

/* --- invariants --- */

static void set_none(void)
{
    struct http_address one = address(1);

    replicas_set(&worker, &one, 0, now);
}

static void set_too_many(void)
{
    static struct http_address many[REPLICAS_MAX + 1];

    for (int i = 0; i <= REPLICAS_MAX; ++i)
        many[i] = address(i + 1);
    replicas_set(&worker, many, REPLICAS_MAX + 1, now);
}

static void fail_in_the_future(void)
{
    struct http_address at = address(1);

    replicas_failed(&worker, &at, now + 1, now);
}

static void end_a_probe_of_the_future(void)
{
    struct http_address at = address(1);

    replicas_probed(&worker, &at, true, now + 1, now);
}

static void turn_the_clock_back(void)
{
    now -= 10;
    set(&worker, 4, 5);
}

static void take_too_large_a_share(void)
{
    replicas_init(&worker, REPLICAS_SHARES);
}

static void a_violated_invariant_ends_the_program(void **state)
{
    (void)state;
    assert_violates(set_none, "count > 0 && count <= REPLICAS_MAX");
    assert_violates(set_too_many, "count > 0 && count <= REPLICAS_MAX");
    assert_violates(fail_in_the_future, "begun_ms <= now_ms");
    assert_violates(end_a_probe_of_the_future, "begun_ms <= now_ms");
    assert_violates(turn_the_clock_back, "now_ms >= replicas->used_since_ms");
    assert_violates(take_too_large_a_share, "share < REPLICAS_SHARES");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        replicas_test(without_addresses_none_is_used),
        replicas_test(a_worker_begins_with_the_lowest_address_and_stays_with_it),
        replicas_test(a_failure_moves_the_worker_to_the_next_address_at_once),
        replicas_test(a_failure_of_another_address_does_not_move_the_worker),
        replicas_test(after_a_failure_a_lower_address_that_has_not_failed_recently_is_used),
        replicas_test(an_address_that_answers_has_not_failed_recently),
        replicas_test(if_all_failed_recently_the_one_that_failed_longest_ago_is_used),
        replicas_test(calls_in_flight_fail_with_their_address_and_count_once),
        replicas_test(all_have_failed_when_none_has_answered_in_between),
        replicas_test(the_address_in_use_is_kept_when_others_come_and_go),
        replicas_test(when_the_address_in_use_is_removed_another_is_used),
        replicas_test(an_address_that_stays_in_the_list_keeps_its_history),
        replicas_test(the_maximum_of_addresses_is_used_in_turn),
        replicas_test(a_violated_invariant_ends_the_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
