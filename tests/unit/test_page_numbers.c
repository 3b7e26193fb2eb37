/* The numbers of the page are grouped, and each has its bar. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/page_fixture.h"

static void thousands_stand_apart(void **state)
{
    static const struct {
        int64_t number;
        const char *text;
    } cases[] = {
        {1, "1"},
        {9, "9"},
        {10, "10"},
        {999, "999"},
        {1000, "1,000"},
        {1001, "1,001"},
        {12345, "12,345"},
        {100000, "100,000"},
        {999999, "999,999"},
        {1000000, "1,000,000"},
        {1234567890, "1,234,567,890"},
        {INT64_MAX, "9,223,372,036,854,775,807"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct row row = row_of("/", cases[i].number);
        const struct rows rows = {
            .size = 1, .rows = &row, .totals = {cases[i].number, cases[i].number, 0}};
        struct buffer page = page_of("/", cases[i].number, &rows);
        char expected[96];

        snprintf(expected, sizeof(expected), "<strong>%s</strong> <span>hit", cases[i].text);
        assert_contains(page.bytes, expected);
        snprintf(expected, sizeof(expected), "<td>%s</td>", cases[i].text);
        assert_contains(page.bytes, expected);
        snprintf(expected, sizeof(expected), ">%s path%s, %s hit%s in all<", cases[i].text,
                 cases[i].number == 1 ? "" : "s", cases[i].text, cases[i].number == 1 ? "" : "s");
        assert_contains(page.bytes, expected);
        buffer_free(&page);
    }
}

static void a_bar_is_as_long_as_its_share_of_the_highest(void **state)
{
    static const struct {
        int64_t count, highest;
        const char *class;
    } cases[] = {
        {0, 1, "b00"},
        {1, 1, "b99"},
        {1, 2, "b49"},
        {INT64_MAX, INT64_MAX, "b99"},
        {1, 1000, "b00"},
        {99, 1000, "b09"},
        {INT64_MAX - 1, INT64_MAX, "b99"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct row some[] = {row_of("/h", cases[i].highest), row_of("/c", cases[i].count)};
        const struct rows rows = {.size = 2, .rows = some};
        struct buffer page = page_of("/", 1, &rows);
        char expected[64];

        snprintf(expected, sizeof(expected), "<th class=%s><a href=\"/-/paths/c\"", cases[i].class);
        assert_contains(page.bytes, expected);
        buffer_free(&page);
    }
}

static void one_is_singular_and_everything_else_plural(void **state)
{
    static const struct {
        int64_t paths, hits;
        const char *text;
    } cases[] = {
        {0, 0, ">0 paths, 0 hits in all<"},     {1, 1, ">1 path, 1 hit in all<"},
        {1, 2, ">1 path, 2 hits in all<"},      {2, 1, ">2 paths, 1 hit in all<"},
        {11, 21, ">11 paths, 21 hits in all<"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        const struct rows rows = {.totals = {cases[i].paths, cases[i].hits, 0}};
        struct buffer page = page_of("/", 2, &rows);

        assert_contains(page.bytes, cases[i].text);
        buffer_free(&page);
    }
}

static void a_count_of_zero_in_the_table_is_shown(void **state)
{
    struct row row = row_of("/", 0);
    const struct rows rows = {.size = 1, .rows = &row};
    struct buffer page = page_of("/a", 2, &rows);

    (void)state;
    assert_contains(page.bytes, "<td>0</td>");
    buffer_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_stand_apart),
        cmocka_unit_test(a_bar_is_as_long_as_its_share_of_the_highest),
        cmocka_unit_test(one_is_singular_and_everything_else_plural),
        cmocka_unit_test(a_count_of_zero_in_the_table_is_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
