/* CSV from other programs, by RFC 4180. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "counter-svc/changes/csv_read.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Reads all records of a text. `found` gets them one after the other: the number of the line, and
 * each field in <>; at the end the error, if there is one. */
static void read_all(const char *text, size_t len, char *found, size_t size)
{
    FILE *file = fmemopen((char *)(uintptr_t)text, len, "r");
    struct csv_reader reader = {.file = file};
    size_t at = 0;
    int more;

    assert_non_null(file);
    while ((more = csv_read(&reader)) == 1) {
        at += (size_t)snprintf(found + at, size - at, "%d", (int)reader.line);
        for (size_t i = 0; i < reader.n_fields; ++i)
            at += (size_t)snprintf(found + at, size - at, "<%.*s>", (int)reader.fields[i].len,
                                   reader.fields[i].len != 0 ? reader.fields[i].bytes : "");
    }
    snprintf(found + at, size - at, "%s", more == 0 ? "" : reader.error);
    csv_reader_free(&reader);
    fclose(file);
}

static void records_and_fields_are_read(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"/a,1\n", "1</a><1>"},
        {"/a,1", "1</a><1>"},
        {"/a,1\r\n/b,2\r\n", "1</a><1>2</b><2>"},
        {"\xEF\xBB\xBF/a,1\n", "1</a><1>"},
        {"\"/a,b\",1\n", "1</a,b><1>"},
        {"\"/a\"\"b\",\"\"\n", "1</a\"b><>"},
        {"\"/a\nb\r\nc\",1\n/d,2\n", "1</a\nb\r\nc><1>4</d><2>"},
        {"a,,\n\nb\n", "1<a><><>2<>3<b>"},
        {"a\"b,c\n", "1<a\"b><c>"},
        {"\"a", "A field in quotes has no end."},
        {"x\n\"a\"b\n", "1<x>There is text after a field in quotes."},
        {"a\rb\n", "A line ends with CR alone."},
        {"\xEF\xBBx", "The file is not UTF-8 text."},
        {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n", "There are more than 16 fields."},
    };
    char found[256];

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        read_all(cases[i].text, strlen(cases[i].text), found, sizeof(found));
        assert_string_equal(found, cases[i].expected);
    }
}

static void a_field_has_a_bound(void **state)
{
    static char text[CSV_MAX_FIELD_BYTES + 2];
    static char found[CSV_MAX_FIELD_BYTES + 64];

    (void)state;
    memset(text, 'a', CSV_MAX_FIELD_BYTES + 1);
    read_all(text, CSV_MAX_FIELD_BYTES, found, sizeof(found));
    assert_int_equal(strlen(found), CSV_MAX_FIELD_BYTES + 3);
    read_all(text, CSV_MAX_FIELD_BYTES + 1, found, sizeof(found));
    assert_string_equal(found, "A field is too long.");
    text[0] = '"';
    read_all(text, CSV_MAX_FIELD_BYTES + 1, found, sizeof(found));
    assert_string_equal(found, "A field in quotes has no end.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_and_fields_are_read),
        cmocka_unit_test(a_field_has_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
