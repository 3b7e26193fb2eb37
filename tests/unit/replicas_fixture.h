/* Tests of the choice of a replica: one worker with three addresses, and a clock that the test
 * sets. */
#ifndef TESTS_UNIT_REPLICAS_FIXTURE_H
#define TESTS_UNIT_REPLICAS_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>

#include "render-svc/count/replicas.h"

#define IDLE_MS 2000

static struct replicas worker;
static uint64_t now;

/* Returns the address 10.0.0.NUMBER. */
static inline struct http_address address(int number)
{
    struct http_address made;
    char host[32];

    snprintf(host, sizeof(host), "10.0.0.%d", number);
    http_address_set(&made, host, 8081);
    return made;
}

/* Sets the list to 10.0.0.FIRST up to 10.0.0.LAST. */
static inline enum replicas_move set(struct replicas *replicas, int first, int last)
{
    struct http_address found[REPLICAS_MAX];

    for (int number = first; number <= last; ++number)
        found[number - first] = address(number);
    return replicas_set(replicas, found, (size_t)last - (size_t)first + 1, now);
}

static inline int set_up(void **state)
{
    (void)state;
    now = 1000; /* soon after the start of the machine */
    replicas_init(&worker, 0);
    set(&worker, 1, 3);
    return 0;
}

#define assert_uses(number) assert_int_equal(worker.used, (number)-1)
#define assert_left(number) assert_string_equal(worker.left, address(number).host)

/* A call to 10.0.0.NUMBER, begun a millisecond ago, has failed. */
static inline enum replicas_move has_failed(int number)
{
    struct http_address at = address(number);

    now += 2;
    return replicas_failed(&worker, &at, now - 1, now);
}

static inline bool answer(int number)
{
    struct http_address at = address(number);

    return replicas_answered(&worker, &at, now);
}

static inline enum replicas_move probed(int number, bool succeeded)
{
    struct http_address at = address(number);

    return replicas_probed(&worker, &at, succeeded, now - 1, now);
}

/* Begins the probe that is due. Returns the number of its address, or 0 if none is due. */
static inline int begin_probe(void)
{
    size_t index = replicas_next_probe(&worker, now, IDLE_MS);

    return index == worker.count ? 0 : (int)index + 1;
}

/* Lets up to `ms` milliseconds pass, until the worker moves. The address in use answers calls.
 * Probes of the address `works` and of higher ones succeed, probes of lower ones fail. Returns the
 * move. */
static inline enum replicas_move pass(uint64_t ms, int works)
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

#define replicas_test(test) cmocka_unit_test_setup(test, set_up)

#endif
