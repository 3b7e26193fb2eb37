/* The table of a program's keys: those of both services, and its own after them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "server/ops/settings.h"
#include "tests/unit/violates.h"

static const struct config_key *find(const struct config_key *keys, const char *name)
{
    while (keys->name != NULL && strcmp(keys->name, name) != 0)
        ++keys;
    assert_non_null(keys->name);
    return keys;
}

static void each_address_has_the_default_of_the_program(void **state)
{
    static const struct config_key NONE[] = {{.name = NULL}};
    const struct config_key *keys = service_keys(NONE, "127.0.0.1:1", "127.0.0.1:2");

    (void)state;
    assert_string_equal(find(keys, "listen")->fallback, "127.0.0.1:1");
    assert_string_equal(find(keys, "admin_listen")->fallback, "127.0.0.1:2");
    assert_string_equal(find(keys, "drain_ms")->fallback, "0");
}

static void the_keys_of_the_program_follow_those_of_both_services(void **state)
{
    static const struct config_key OWN[] = {
        {.name = "first", .fallback = "1"}, {.name = "second"}, {.name = NULL}};
    const struct config_key *keys = service_keys(OWN, "127.0.0.1:1", "127.0.0.1:2");
    const struct config_key *first = find(keys, "first");

    (void)state;
    assert_true(first > find(keys, "access_log_sample"));
    assert_string_equal(first[0].fallback, "1");
    assert_string_equal(first[1].name, "second");
    assert_null(first[2].name);
}

/* --- invariants --- */

static void add_too_many_keys(void)
{
    static struct config_key many[1000];

    for (size_t i = 0; i + 1 < sizeof(many) / sizeof(many[0]); ++i)
        many[i].name = "key";
    service_keys(many, "127.0.0.1:1", "127.0.0.1:2");
}

static void the_table_has_room_for_all_keys(void **state)
{
    (void)state;
    assert_violates(add_too_many_keys, "count < MAX_KEYS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_has_the_default_of_the_program),
        cmocka_unit_test(the_keys_of_the_program_follow_those_of_both_services),
        cmocka_unit_test(the_table_has_room_for_all_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
