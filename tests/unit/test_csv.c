/* CSV for readers that follow RFC 4180, and for spreadsheets. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "render-svc/html/csv.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

static void assert_text(struct buffer *found, const char *expected)
{
    assert_int_equal(found->len, strlen(expected));
    assert_memory_equal(found->bytes, expected, found->len);
    buffer_free(found);
}

static void fields_are_quoted_where_they_must_be(void **state)
{
    static const struct {
        const char *text, *field;
    } cases[] = {
        {"/a", "/a"},           {"/a b;c'd\te", "/a b;c'd\te"}, {"/a,b", "\"/a,b\""},
        {"/\"", "\"/\"\"\""},   {"/\"\"x", "\"/\"\"\"\"x\""},   {"/a\rb", "\"/a\rb\""},
        {"/a\nb", "\"/a\nb\""}, {"/\xc3\xa9", "/\xc3\xa9"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct buffer csv = {0};

        csv_add_text(&csv, cases[i].text, strlen(cases[i].text));
        assert_text(&csv, cases[i].field);
    }
}

static void formulas_are_defused(void **state)
{
    static const struct {
        const char *text, *field;
    } cases[] = {
        {"=1+1", "'=1+1"},   {"+1", "'+1"},
        {"-1", "'-1"},       {"@SUM(A1)", "'@SUM(A1)"},
        {"\tx", "'\tx"},     {"\rx", "\"'\rx\""},
        {"\nx", "\"'\nx\""}, {"=1,\"2\"", "\"'=1,\"\"2\"\"\""},
        {"/=1", "/=1"},      {"a=1", "a=1"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct buffer csv = {0};

        csv_add_text(&csv, cases[i].text, strlen(cases[i].text));
        assert_text(&csv, cases[i].field);
    }
}

static void rows_are_lines(void **state)
{
    struct row some[] = {{"/a", 2, INT64_MAX, 1}, {"/b,", 3, 0, 0}};
    struct rows rows = {.size = 2, .rows = some};
    struct buffer csv = {0};

    (void)state;
    csv_add_rows_head(&csv);
    csv_add_rows(&csv, &rows);
    assert_text(&csv, "path,count\r\n/a,9223372036854775807\r\n\"/b,\",0\r\n");
}

static void unknown_data_of_a_path_are_empty(void **state)
{
    struct path_detail detail = {.path = "/a", .path_len = 2, .count = 7};
    struct buffer csv = {0};

    (void)state;
    csv_add_detail(&csv, &detail);
    assert_text(&csv, "path,count,rank,first,last\r\n/a,7,,,\r\n");
    detail.rank = 3;
    detail_set_time(detail.first, 0);
    detail_set_time(detail.last, 1700000000123);
    csv_add_detail(&csv, &detail);
    assert_text(&csv, "path,count,rank,first,last\r\n"
                      "/a,7,3,1970-01-01T00:00:00.000Z,2023-11-14T22:13:20.123Z\r\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_quoted_where_they_must_be),
        cmocka_unit_test(formulas_are_defused),
        cmocka_unit_test(rows_are_lines),
        cmocka_unit_test(unknown_data_of_a_path_are_empty),
    };

    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
