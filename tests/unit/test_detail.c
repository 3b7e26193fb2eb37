/* The details of one path, encoded as JSON and decoded. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/detail.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

static void times_are_written_as_far_as_the_calendar_goes(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999, "1970-01-01T00:00:00.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, ""},
        {INT64_MAX, ""},
        {-1, ""},
        {INT64_MIN, ""},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        char time[DETAIL_TIME_BYTES];

        detail_set_time(time, cases[i].ms);
        assert_string_equal(time, cases[i].text);
    }
}

static void a_detail_comes_back(void **state)
{
    struct path_detail detail = {.path = "/\"\n", .path_len = 3, .count = INT64_MAX, .rank = 10000};
    struct path_detail read;
    struct buffer json = {0};
    const char *error;

    (void)state;
    detail_set_time(detail.last, 1700000000123);
    detail_encode(&json, &detail);
    assert_int_equal(detail_decode(json.bytes, json.len, &read, &error), 0);
    assert_int_equal(read.path_len, 3);
    assert_memory_equal(read.path, detail.path, 3);
    assert_int_equal(read.count, INT64_MAX);
    assert_int_equal(read.rank, 10000);
    assert_string_equal(read.first, "");
    assert_string_equal(read.last, "2023-11-14T22:13:20.123Z");
    detail_free(&read);
    buffer_free(&json);
}

static void missing_members_are_not_known(void **state)
{
    static const char json[] = "{\"path\": \"/a\", \"count\": 8, \"later\": [1]}";
    struct path_detail detail;
    const char *error;

    (void)state;
    assert_int_equal(detail_decode(json, sizeof(json) - 1, &detail, &error), 0);
    assert_int_equal(detail.rank, 0);
    assert_string_equal(detail.first, "");
    detail_free(&detail);
}

static void violations_of_the_contract_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "[]",
        "{}",
        "{\"path\": \"/a\"}",
        "{\"path\": 1, \"count\": 1}",
        "{\"path\": \"\", \"count\": 1}",
        "{\"path\": \"/a\", \"count\": -1}",
        "{\"path\": \"/a\", \"count\": 1.0}",
        "{\"path\": \"/a\", \"count\": 1, \"rank\": -1}",
        "{\"path\": \"/a\", \"count\": 1, \"rank\": 10001}",
        "{\"path\": \"/a\", \"count\": 1, \"rank\": \"1\"}",
        "{\"path\": \"/a\", \"count\": 1, \"first\": 1}",
        "{\"path\": \"/a\", \"count\": 1, \"first\": \"yesterday\"}",
        "{\"path\": \"/a\", \"count\": 1, \"first\": \"2023-11-14T22:13:20.123+\"}",
        "{\"path\": \"/a\", \"count\": 1, \"last\": \"2023-11-14T22:13:20.1234Z\"}",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct path_detail detail;
        const char *error = NULL;

        if (detail_decode(cases[i], strlen(cases[i]), &detail, &error) == 0)
            fail_msg("%s", cases[i]);
        assert_non_null(error);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_as_far_as_the_calendar_goes),
        cmocka_unit_test(a_detail_comes_back),
        cmocka_unit_test(missing_members_are_not_known),
        cmocka_unit_test(violations_of_the_contract_are_refused),
    };

    return cmocka_run_group_tests_name("detail", tests, NULL, NULL);
}
