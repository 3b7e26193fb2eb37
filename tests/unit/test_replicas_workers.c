/* Many workers come to use the same replica, and return to one after the other. */
#include <stdlib.h>

#include "tests/unit/replicas_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        replicas_test(workers_return_one_after_the_other),
        replicas_test(workers_agree_on_the_lowest_replica_that_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
