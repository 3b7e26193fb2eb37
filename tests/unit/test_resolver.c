/* The order of addresses, which is the same for every renderer. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/loop/resolver.h"

static const char *const SORTED[] = {"0.0.0.1",     "9.255.255.255", "10.0.0.2",
                                     "10.0.0.9",    "10.0.0.10",     "10.0.1.0",
                                     "127.0.0.1",   "128.0.0.1",     "255.0.0.1",
                                     "::",          "::1",           "::ffff:1.2.3.4",
                                     "2001:db8::9", "2001:db8::10",  "fe80::1"};
#define N_SORTED (sizeof(SORTED) / sizeof(SORTED[0]))

static void addresses_are_sorted_by_their_bytes_however_they_come(void **state)
{
    (void)state;
    srandom(1);
    for (int round = 0; round < 200; ++round) {
        struct addresses addresses = {0};
        const char *shuffled[N_SORTED];

        memcpy(shuffled, SORTED, sizeof(shuffled));
        for (size_t i = N_SORTED - 1; i > 0; --i) {
            size_t other = (size_t)random() % (i + 1);
            const char *kept = shuffled[i];
            shuffled[i] = shuffled[other];
            shuffled[other] = kept;
        }
        for (size_t i = 0; i < N_SORTED; ++i) {
            addresses_add(&addresses, shuffled[i]);
            addresses_add(&addresses, shuffled[(size_t)random() % (i + 1)]); /* a duplicate */
        }
        assert_int_equal(addresses.count, N_SORTED);
        for (size_t i = 0; i < N_SORTED; ++i)
            assert_string_equal(addresses.hosts[i], SORTED[i]);
    }
}

/* Adds 10.0.0.NUMBER. */
static void add_number(struct addresses *addresses, size_t number)
{
    char host[32];

    snprintf(host, sizeof(host), "10.0.0.%zu", number);
    addresses_add(addresses, host);
}

static void of_too_many_addresses_the_lowest_are_kept(void **state)
{
    (void)state;
    for (int backwards = 0; backwards < 2; ++backwards) {
        struct addresses addresses = {0};

        for (size_t i = 0; i < 200; ++i)
            add_number(&addresses, backwards ? 200 - i : i + 1);
        assert_int_equal(addresses.count, RESOLVER_MAX_ADDRESSES);
        for (size_t i = 0; i < RESOLVER_MAX_ADDRESSES; ++i) {
            char host[32];
            snprintf(host, sizeof(host), "10.0.0.%zu", i + 1);
            assert_string_equal(addresses.hosts[i], host);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_sorted_by_their_bytes_however_they_come),
        cmocka_unit_test(of_too_many_addresses_the_lowest_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
