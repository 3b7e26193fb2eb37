/* Which replica a worker uses, with a clock of the test's own: what makes it move, what does not,
 * when it returns, and that many workers come to use the same one. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "render-svc/count/replicas.h"
#include "tests/unit/violates.h"

#define IDLE_MS 2000

static struct replicas worker;
static uint64_t now;

/* The address 10.0.0.NUMBER. */
static struct http_address address(int number)
{
    struct http_address made;
    char host[32];

    snprintf(host, sizeof(host), "10.0.0.%d", number);
    http_address_set(&made, host, 8081);
    return made;
}

/* Sets the list to 10.0.0.FIRST up to 10.0.0.LAST. */
static enum replicas_move set(struct replicas *replicas, int first, int last)
{
    struct http_address found[REPLICAS_MAX];

    for (int number = first; number <= last; ++number)
        found[number - first] = address(number);
    return replicas_set(replicas, found, (size_t)last - (size_t)first + 1, now);
}

static int set_up(void **state)
{
    (void)state;
    now = 1000; /* the clock may be young */
    replicas_init(&worker, 0);
    set(&worker, 1, 3);
    return 0;
}

#define assert_uses(number) assert_int_equal(worker.used, (number)-1)
#define assert_left(number) assert_string_equal(worker.left, address(number).host)

/* A call to 10.0.0.NUMBER, begun a millisecond ago, has failed. */
static enum replicas_move has_failed(int number)
{
    struct http_address at = address(number);

    now += 2;
    return replicas_failed(&worker, &at, now - 1, now);
}

static bool answer(int number)
{
    struct http_address at = address(number);

    return replicas_answered(&worker, &at, now);
}

static enum replicas_move probed(int number, bool succeeded)
{
    struct http_address at = address(number);

    return replicas_probed(&worker, &at, succeeded, now - 1, now);
}

/* Begins the probe that is due. Returns its address's number, 0: none is due. */
static int begin_probe(void)
{
    size_t index = replicas_next_probe(&worker, now, IDLE_MS);

    return index == worker.count ? 0 : (int)index + 1;
}

/* Lets time pass, in which the address in use answers and every probe has this result for the
 * address `works` and all above, and fails for those below. Returns the move that ended it. */
static enum replicas_move pass(uint64_t ms, int works)
{
    for (uint64_t end = now + ms; now < end; now += 100) {
        int number;
        answer((int)worker.used + 1);
        while ((number = begin_probe()) != 0) {
            enum replicas_move move = probed(number, number >= works);
            if (move != REPLICAS_STAYS)
                return move;
        }
    }
    return REPLICAS_STAYS;
}

/* --- the address in use --- */

static void without_addresses_there_is_none_to_use(void **state)
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

static void a_failure_moves_it_to_the_next_address_at_once(void **state)
{
    (void)state;
    assert_int_equal(has_failed(1), REPLICAS_FAILED);
    assert_uses(2);
    assert_left(1);
    assert_int_equal(has_failed(2), REPLICAS_FAILED);
    assert_uses(3);
    assert_left(2);
}

static void a_failure_of_another_address_does_not_move_it(void **state)
{
    (void)state;
    assert_int_equal(has_failed(2), REPLICAS_STAYS);
    assert_int_equal(has_failed(9), REPLICAS_STAYS);
    assert_uses(1);
    assert_int_equal(worker.failures, 0);
}

static void after_a_failure_a_lower_address_that_has_not_failed_lately_is_used(void **state)
{
    (void)state;
    has_failed(1);
    has_failed(2);
    now += REPLICAS_FAILED_MS - 5; /* both failed lately */
    assert_int_equal(has_failed(3), REPLICAS_FAILED);
    assert_uses(1);
    set_up(state);
    has_failed(1);
    now += REPLICAS_FAILED_MS - 5;
    has_failed(2);
    assert_uses(3);
    now += 5; /* the first failed long ago, the second lately */
    assert_int_equal(has_failed(3), REPLICAS_FAILED);
    assert_uses(1);
}

static void an_address_that_answers_has_not_failed_lately(void **state)
{
    (void)state;
    has_failed(1);
    answer(1);
    assert_int_equal(has_failed(2), REPLICAS_FAILED);
    assert_uses(1);
}

static void when_all_failed_lately_the_one_that_failed_longest_ago_is_used(void **state)
{
    static const int order[] = {1, 2, 3, 1, 2, 3, 1};

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(order) / sizeof(order[0]); ++i) {
        assert_uses(order[i]);
        assert_int_equal(has_failed(order[i]), REPLICAS_FAILED);
        assert_uses(order[i + 1]);
    }
}

static void calls_under_way_fail_with_their_address_and_count_once(void **state)
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
    assert_false(answer(1)); /* a late answer of one that is not in use says nothing */
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
    has_failed(1); /* which is avoided now */
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

static void as_many_addresses_as_there_may_be_are_used_in_turn(void **state)
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
    assert_int_equal(begin_probe(), 0); /* the others are under way */
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

static void a_probe_that_ends_after_a_move_to_a_lower_address_says_nothing(void **state)
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
    replicas_suspect(&worker, &first, now - 10); /* it has answered since the call was begun */
    replicas_suspect(&worker, &second, now - 1); /* it is not in use */
    assert_int_equal(begin_probe(), 0);
    replicas_suspect(&worker, &first, now - 1);
    assert_int_equal(begin_probe(), 1);
    assert_int_equal(begin_probe(), 0);
    assert_int_equal(probed(1, false), REPLICAS_FAILED);
    assert_uses(2);
}

static void what_a_probe_is_to_answer_asks_for_no_other(void **state)
{
    struct http_address first = address(1);

    (void)state;
    set(&worker, 1, 1);
    now += 10;
    replicas_suspect(&worker, &first, now - 1);
    assert_int_equal(begin_probe(), 1);
    replicas_suspect(&worker, &first, now - 1); /* begun before the probe */
    assert_int_equal(probed(1, false), REPLICAS_STAYS);
    assert_int_equal(begin_probe(), 0);
    replicas_suspect(&worker, &first, now + 1);
    assert_int_equal(begin_probe(), 1);
}

static void a_suspicion_is_not_passed_on_to_the_next_address(void **state)
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

static void it_returns_to_a_lower_address_after_its_hold_time_and_not_before(void **state)
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

static void it_returns_to_the_lowest_address_that_works(void **state)
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

static void an_address_that_fails_again_is_held_back_longer(void **state)
{
    static const uint64_t holds_s[] = {5, 10, 20, 40, 80, 160, 300, 300};

    (void)state;
    for (size_t i = 0; i < sizeof(holds_s) / sizeof(holds_s[0]); ++i)
        fail_and_return(holds_s[i] * 1000);
    pass(REPLICAS_MAX_HOLD_MS - 1000, 1); /* nearly long enough without a failure */
    fail_and_return(REPLICAS_MAX_HOLD_MS);
    pass(REPLICAS_MAX_HOLD_MS, 1);
    fail_and_return(REPLICAS_HOLD_MS);
}

static void an_outage_of_all_holds_nothing_back(void **state)
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

static void what_is_not_probed_any_more_has_its_hold_time_again(void **state)
{
    (void)state;
    has_failed(1);
    has_failed(2);
    pass(REPLICAS_HOLD_MS - 1000, 2); /* the second is nearly to be returned to */
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

/* --- many workers --- */

#define N_WORKERS  40
#define N_REPLICAS 5
#define STEP_MS    50

static struct replicas workers[N_WORKERS];
static bool works[N_REPLICAS];

static void assert_is_sound(const struct replicas *replicas)
{
    assert_true(replicas->used < replicas->count);
    for (size_t i = replicas->used; i < replicas->count; ++i)
        assert_int_equal(replicas->list[i].healthy_ms, 0);
}

/* One step of a worker: its probes and one call. Returns whether it returned to an address. */
static bool step(struct replicas *one)
{
    bool returned = false;
    size_t index;

    while ((index = replicas_next_probe(one, now, IDLE_MS)) != one->count) {
        struct http_address at = one->list[index].address;
        returned |= replicas_probed(one, &at, works[index], now - 1, now) == REPLICAS_RETURNED;
    }
    struct http_address at = *replicas_used(one);
    if (works[one->used])
        replicas_answered(one, &at, now);
    else
        replicas_failed(one, &at, now - 1, now);
    assert_is_sound(one);
    return returned;
}

static void begin_workers(void)
{
    for (int i = 0; i < N_WORKERS; ++i) {
        replicas_init(&workers[i], (uint64_t)random() % REPLICAS_SHARES);
        set(&workers[i], 1, N_REPLICAS);
    }
    for (int i = 0; i < N_REPLICAS; ++i)
        works[i] = true;
}

static void workers_return_one_after_the_other(void **state)
{
    size_t most_at_once = 0, returned = 0;

    (void)state;
    srandom(1);
    begin_workers();
    works[0] = false;
    for (uint64_t end = now + 10000; now < end; now += STEP_MS)
        for (int i = 0; i < N_WORKERS; ++i)
            assert_false(step(&workers[i]));
    works[0] = true;
    for (uint64_t end = now + 10000; now < end; now += STEP_MS) {
        size_t at_once = 0;
        for (int i = 0; i < N_WORKERS; ++i)
            at_once += step(&workers[i]);
        returned += at_once;
        most_at_once = at_once > most_at_once ? at_once : most_at_once;
    }
    assert_int_equal(returned, N_WORKERS);
    assert_true(most_at_once <= N_WORKERS / 2);
}

/* Replicas fail and recover at random; workers notice at different times. */
static void workers_agree_on_the_lowest_replica_that_works(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; ++seed) {
        size_t lowest = 0;

        srandom(seed);
        begin_workers();
        for (uint64_t end = now + 120000; now < end; now += STEP_MS) {
            if (random() % 40 == 0)
                works[random() % N_REPLICAS] ^= true;
            for (int i = 0; i < N_WORKERS; ++i)
                if (random() % 4 != 0)
                    step(&workers[i]);
        }
        works[random() % N_REPLICAS] = true;
        while (!works[lowest])
            ++lowest;
        for (uint64_t end = now + 2 * REPLICAS_MAX_HOLD_MS; now < end; now += STEP_MS)
            for (int i = 0; i < N_WORKERS; ++i)
                step(&workers[i]);
        for (int i = 0; i < N_WORKERS; ++i)
            assert_int_equal(workers[i].used, lowest);
    }
}

#define replicas_test(test) cmocka_unit_test_setup(test, set_up)

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
        replicas_test(without_addresses_there_is_none_to_use),
        replicas_test(a_worker_begins_with_the_lowest_address_and_stays_with_it),
        replicas_test(a_failure_moves_it_to_the_next_address_at_once),
        replicas_test(a_failure_of_another_address_does_not_move_it),
        replicas_test(after_a_failure_a_lower_address_that_has_not_failed_lately_is_used),
        replicas_test(an_address_that_answers_has_not_failed_lately),
        replicas_test(when_all_failed_lately_the_one_that_failed_longest_ago_is_used),
        replicas_test(calls_under_way_fail_with_their_address_and_count_once),
        replicas_test(all_have_failed_when_none_has_answered_in_between),
        replicas_test(the_address_in_use_is_kept_when_others_come_and_go),
        replicas_test(when_the_address_in_use_is_removed_another_is_used),
        replicas_test(an_address_that_stays_in_the_list_keeps_its_history),
        replicas_test(as_many_addresses_as_there_may_be_are_used_in_turn),
        replicas_test(lower_addresses_are_probed_and_higher_ones_are_not),
        replicas_test(a_probe_that_ends_after_a_move_to_a_lower_address_says_nothing),
        replicas_test(the_address_in_use_is_probed_when_it_was_silent),
        replicas_test(a_suspected_address_is_probed_at_once),
        replicas_test(what_a_probe_is_to_answer_asks_for_no_other),
        replicas_test(a_suspicion_is_not_passed_on_to_the_next_address),
        replicas_test(an_answer_ends_a_suspicion),
        replicas_test(it_returns_to_a_lower_address_after_its_hold_time_and_not_before),
        replicas_test(it_returns_to_the_lowest_address_that_works),
        replicas_test(a_new_lower_address_is_used_after_its_hold_time),
        replicas_test(a_failed_probe_begins_the_hold_time_again),
        replicas_test(each_worker_adds_its_share_of_half_the_hold_time),
        replicas_test(an_address_that_fails_again_is_held_back_longer),
        replicas_test(an_outage_of_all_holds_nothing_back),
        replicas_test(what_is_not_probed_any_more_has_its_hold_time_again),
        replicas_test(workers_return_one_after_the_other),
        replicas_test(a_violated_invariant_ends_the_program),
        replicas_test(workers_agree_on_the_lowest_replica_that_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
