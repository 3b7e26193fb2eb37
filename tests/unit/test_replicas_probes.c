/* The replicas that a worker probes, and its return to one of them. */
#include "tests/unit/replicas_fixture.h"

/* --- probes --- */

static void lower_addresses_are_probed_and_higher_ones_are_not(void **state)
{
    (void)state;
    has_failed(1);
    has_failed(2);
    set(&worker, 1, 5);
    answer(3);
    assert_int_equal(begin_probe(), 1);
    assert_int_equal(begin_probe(), 2);
    assert_int_equal(begin_probe(), 0); /* the other probes are in flight */
    now += REPLICAS_PROBE_MS;
    answer(3);
    assert_int_equal(begin_probe(), 0);
    probed(2, false);
    assert_int_equal(begin_probe(), 2);
    probed(2, true);
    probed(1, true);
    now += REPLICAS_PROBE_MS - 1;
    answer(3);
    assert_int_equal(begin_probe(), 1);
    assert_int_equal(begin_probe(), 0);
    now += 1;
    assert_int_equal(begin_probe(), 2);
    now += IDLE_MS; /* now the one in use is due, too */
    assert_int_equal(begin_probe(), 3);
    assert_int_equal(begin_probe(), 0);
}

static void a_probe_that_ends_after_a_move_to_a_lower_address_has_no_effect(void **state)
{
    (void)state;
    has_failed(1);
    now += REPLICAS_FAILED_MS;
    has_failed(2);
    assert_uses(1);
    has_failed(1);
    assert_uses(3);
    assert_int_equal(begin_probe(), 1);
    assert_int_equal(begin_probe(), 2);
    probed(1, true);
    has_failed(3);
    assert_uses(1);
    assert_int_equal(probed(2, true), REPLICAS_STAYS);
    assert_int_equal(worker.list[1].healthy_ms, 0);
}

static void the_address_in_use_is_probed_when_it_was_silent(void **state)
{
    (void)state;
    answer(1);
    now += IDLE_MS - 1;
    assert_int_equal(begin_probe(), 0);
    now += 1;
    assert_int_equal(begin_probe(), 1);
    assert_int_equal(probed(1, true), REPLICAS_STAYS);
    now += IDLE_MS - 1;
    assert_int_equal(begin_probe(), 0);
    now += 1;
    assert_int_equal(begin_probe(), 1);
    assert_int_equal(probed(1, false), REPLICAS_FAILED);
    assert_uses(2);
    assert_int_equal(probed(9, false), REPLICAS_STAYS);
}

static void a_suspected_address_is_probed_at_once(void **state)
{
    struct http_address first = address(1), second = address(2);

    (void)state;
    answer(1);
    now += 10;
    replicas_suspect(&worker, &first, now - 10); /* it has answered since the call began */
    replicas_suspect(&worker, &second, now - 1); /* it is not in use */
    assert_int_equal(begin_probe(), 0);
    replicas_suspect(&worker, &first, now - 1);
    assert_int_equal(begin_probe(), 1);
    assert_int_equal(begin_probe(), 0);
    assert_int_equal(probed(1, false), REPLICAS_FAILED);
    assert_uses(2);
}

static void a_suspicion_that_a_probe_will_settle_starts_no_other_probe(void **state)
{
    struct http_address first = address(1);

    (void)state;
    set(&worker, 1, 1);
    now += 10;
    replicas_suspect(&worker, &first, now - 1);
    assert_int_equal(begin_probe(), 1);
    replicas_suspect(&worker, &first, now - 1); /* a call that began before the probe */
    assert_int_equal(probed(1, false), REPLICAS_STAYS);
    assert_int_equal(begin_probe(), 0);
    replicas_suspect(&worker, &first, now + 1);
    assert_int_equal(begin_probe(), 1);
}

static void a_suspicion_does_not_move_to_the_next_address(void **state)
{
    struct http_address first = address(1);

    (void)state;
    answer(1);
    now += 10;
    replicas_suspect(&worker, &first, now - 1);
    has_failed(1);
    assert_uses(2);
    now += 10;
    worker.answered_ms = now; /* so that it is not idle */
    worker.list[0].probing = true;
    assert_int_equal(begin_probe(), 0);
}

static void an_answer_ends_a_suspicion(void **state)
{
    struct http_address first = address(1);

    (void)state;
    replicas_suspect(&worker, &first, now);
    answer(1);
    assert_int_equal(begin_probe(), 0);
}

/* --- returns --- */

static void a_worker_returns_to_a_lower_address_after_its_hold_time_and_not_before(void **state)
{
    (void)state;
    has_failed(1);
    assert_int_equal(begin_probe(), 1);
    probed(1, true);
    uint64_t healthy_since = now;
    assert_int_equal(pass(60000, 1), REPLICAS_RETURNED);
    assert_true(now - healthy_since >= REPLICAS_HOLD_MS);
    assert_true(now - healthy_since <= REPLICAS_HOLD_MS + REPLICAS_PROBE_MS + 100);
    assert_uses(1);
    assert_left(2);
}

static void a_worker_returns_to_the_lowest_address_that_works(void **state)
{
    (void)state;
    has_failed(1);
    has_failed(2);
    assert_int_equal(pass(60000, 2), REPLICAS_RETURNED);
    assert_uses(2);
    assert_int_equal(pass(60000, 2), REPLICAS_STAYS);
    assert_int_equal(pass(60000, 1), REPLICAS_RETURNED);
    assert_uses(1);
}

static void a_new_lower_address_is_used_after_its_hold_time(void **state)
{
    (void)state;
    set(&worker, 2, 3);
    answer(2);
    assert_int_equal(set(&worker, 1, 3), REPLICAS_STAYS);
    assert_uses(2);
    assert_int_equal(pass(REPLICAS_HOLD_MS, 1), REPLICAS_STAYS);
    assert_int_equal(pass(REPLICAS_PROBE_MS + 100, 1), REPLICAS_RETURNED);
}

static void a_failed_probe_begins_the_hold_time_again(void **state)
{
    (void)state;
    has_failed(1);
    assert_int_equal(pass(REPLICAS_HOLD_MS, 1), REPLICAS_STAYS);
    assert_int_equal(pass(REPLICAS_PROBE_MS, 2), REPLICAS_STAYS);
    assert_int_equal(pass(REPLICAS_HOLD_MS, 1), REPLICAS_STAYS);
    assert_uses(2);
    assert_int_equal(pass(REPLICAS_PROBE_MS + 100, 1), REPLICAS_RETURNED);
}

static void each_worker_adds_its_share_of_half_the_hold_time(void **state)
{
    (void)state;
    worker.share = REPLICAS_SHARES / 2;
    has_failed(1);
    assert_int_equal(pass(REPLICAS_HOLD_MS + REPLICAS_HOLD_MS / 4, 1), REPLICAS_STAYS);
    assert_int_equal(pass(REPLICAS_PROBE_MS + 100, 1), REPLICAS_RETURNED);
}

/* Lets the first address fail, and waits for the return to it after `hold_ms`. */
static void fail_and_return(uint64_t hold_ms)
{
    uint64_t began = now;

    assert_int_equal(has_failed(1), REPLICAS_FAILED);
    assert_int_equal(pass(2 * REPLICAS_MAX_HOLD_MS, 1), REPLICAS_RETURNED);
    assert_uses(1);
    assert_in_range(now - began, hold_ms, hold_ms + 2 * REPLICAS_PROBE_MS + 100);
}

static void an_address_that_fails_again_is_returned_to_later(void **state)
{
    static const uint64_t holds_s[] = {5, 10, 20, 40, 80, 160, 300, 300};

    (void)state;
    for (size_t i = 0; i < sizeof(holds_s) / sizeof(holds_s[0]); ++i)
        fail_and_return(holds_s[i] * 1000);
    pass(REPLICAS_MAX_HOLD_MS - 1000, 1); /* without a failure, but not long enough */
    fail_and_return(REPLICAS_MAX_HOLD_MS);
    pass(REPLICAS_MAX_HOLD_MS, 1);
    fail_and_return(REPLICAS_HOLD_MS);
}

static void an_outage_of_all_addresses_delays_no_return(void **state)
{
    (void)state;
    for (int i = 0; i < 300; ++i) {
        has_failed((int)worker.used + 1);
        now += 100;
    }
    while (worker.used == 0)
        has_failed(1);
    uint64_t began = now;
    while (worker.used != 0)
        assert_int_equal(pass(60000, 1), REPLICAS_RETURNED);
    assert_true(now - began <= REPLICAS_HOLD_MS + 2 * REPLICAS_PROBE_MS);
}

static void an_address_that_is_no_longer_probed_starts_its_hold_time_again(void **state)
{
    (void)state;
    has_failed(1);
    has_failed(2);
    pass(REPLICAS_HOLD_MS - 1000, 2); /* nearly long enough for a return to the second */
    struct http_address found[] = {address(1), address(2)};
    replicas_set(&worker, found, 2, now); /* the third is removed: the second is in use */
    assert_uses(2);
    pass(20000, 2);
    set(&worker, 1, 3);
    assert_int_equal(has_failed(2), REPLICAS_FAILED);
    assert_uses(3);
    assert_int_equal(pass(REPLICAS_HOLD_MS, 2), REPLICAS_STAYS);
    assert_int_equal(pass(REPLICAS_PROBE_MS + 100, 2), REPLICAS_RETURNED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        replicas_test(lower_addresses_are_probed_and_higher_ones_are_not),
        replicas_test(a_probe_that_ends_after_a_move_to_a_lower_address_has_no_effect),
        replicas_test(the_address_in_use_is_probed_when_it_was_silent),
        replicas_test(a_suspected_address_is_probed_at_once),
        replicas_test(a_suspicion_that_a_probe_will_settle_starts_no_other_probe),
        replicas_test(a_suspicion_does_not_move_to_the_next_address),
        replicas_test(an_answer_ends_a_suspicion),
        replicas_test(a_worker_returns_to_a_lower_address_after_its_hold_time_and_not_before),
        replicas_test(a_worker_returns_to_the_lowest_address_that_works),
        replicas_test(a_new_lower_address_is_used_after_its_hold_time),
        replicas_test(a_failed_probe_begins_the_hold_time_again),
        replicas_test(each_worker_adds_its_share_of_half_the_hold_time),
        replicas_test(an_address_that_fails_again_is_returned_to_later),
        replicas_test(an_outage_of_all_addresses_delays_no_return),
        replicas_test(an_address_that_is_no_longer_probed_starts_its_hold_time_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
