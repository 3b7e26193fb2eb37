/* PostgreSQL's binary arrays: their exact bytes, and invalid arrays. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "counter-svc/ledger/pg_array.h"

#define BYTES(literal) ("" literal), (sizeof(literal) - 1)

/* Heads of arrays: the number of dimensions, whether there are NULLs, the OID of the elements; then
 * the length and the lower bound. */
#define EMPTY    "\0\0\0\0\0\0\0\0\0\0\0\x14"
#define INT8S    "\0\0\0\1\0\0\0\0\0\0\0\x14"
#define TEXTS    "\0\0\0\1\0\0\0\0\0\0\0\x19"
#define LEN(n)   "\0\0\0" n "\0\0\0\1"
#define SIZE8    "\0\0\0\x08"
#define NULL_ONE "\xff\xff\xff\xff"
#define SEVEN    SIZE8 "\0\0\0\0\0\0\0\x07"

/* The value that stands for a NULL. */
#define NULL_VALUE (-3)

static void assert_bytes(struct buffer *buffer, const char *bytes, size_t len)
{
    assert_int_equal(buffer->len, len);
    assert_memory_equal(buffer->bytes, bytes, len);
    buffer_free(buffer);
}

/* Reads an array. Input and output are in memory of exactly their length, so that AddressSanitizer
 * finds accesses beyond it. */
static int read_array(const char *bytes, size_t len, int64_t *values, size_t most)
{
    char *copy = malloc(len);
    int64_t *room = malloc(most * sizeof(*room));
    int result;

    memcpy(copy, bytes, len);
    result = pg_int8_array(copy, (int)len, room, most, NULL_VALUE);
    if (result > 0)
        memcpy(values, room, (size_t)result * sizeof(*values));
    free(copy);
    free(room);
    return result;
}

static void arrays_of_bigint_are_written_in_network_order(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    pg_add_int8_array_head(&buffer, 3);
    pg_add_int8_element(&buffer, 7);
    pg_add_int8_element(&buffer, -2);
    pg_add_int8_element(&buffer, 0x0102030405060708);
    assert_bytes(&buffer, BYTES(INT8S LEN("\3") SEVEN SIZE8 "\xff\xff\xff\xff\xff\xff\xff\xfe" SIZE8
                                                            "\1\2\3\4\5\6\7\x08"));
}

static void arrays_of_text_are_written_in_network_order(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    pg_add_text_array_head(&buffer, 3);
    pg_add_text_element(&buffer, "/a", 2);
    pg_add_text_element(&buffer, "", 0);
    pg_add_text_element(&buffer, "/\xc3\xa9", 3);
    assert_bytes(&buffer, BYTES(TEXTS LEN("\3") "\0\0\0\2/a\0\0\0\0\0\0\0\3/\xc3\xa9"));
}

static void an_array_without_elements_has_no_dimension(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    pg_add_int8_array_head(&buffer, 0);
    assert_bytes(&buffer, BYTES(EMPTY));
    pg_add_text_array_head(&buffer, 0);
    assert_bytes(&buffer, BYTES("\0\0\0\0\0\0\0\0\0\0\0\x19"));
}

static void a_length_has_four_bytes(void **state)
{
    static char text[0x010203];
    struct buffer buffer = {0};

    (void)state;
    pg_add_text_array_head(&buffer, 0x01020304);
    assert_memory_equal(buffer.bytes + 12, "\1\2\3\4\0\0\0\1", 8);
    buffer_free(&buffer);
    pg_add_text_element(&buffer, text, sizeof(text));
    assert_int_equal(buffer.len, 4 + sizeof(text));
    assert_memory_equal(buffer.bytes, "\0\1\2\3", 4);
    buffer_free(&buffer);
}

static void a_bigint_comes_back(void **state)
{
    static const int64_t numbers[] = {0, 1, -1, 255, 256, INT32_MAX, INT64_MAX, INT64_MIN};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct buffer buffer = {0};

        pg_add_int8(&buffer, numbers[i]);
        assert_int_equal(buffer.len, 8);
        assert_int_equal(pg_int8(buffer.bytes), numbers[i]);
        buffer_free(&buffer);
    }
    assert_int_equal(pg_int8("\1\2\3\4\5\6\7\x08"), 0x0102030405060708);
}

static void arrays_come_back(void **state)
{
    static const int64_t ends[] = {INT64_MAX, INT64_MIN, 0, -1};
    int64_t values[1024] = {0};

    (void)state;
    for (size_t count = 0; count <= 1024; count += count < 4 ? 1 : 255) {
        struct buffer buffer = {0};

        pg_add_int8_array_head(&buffer, count);
        for (size_t i = 0; i < count; i++)
            pg_add_int8_element(&buffer, i < 4 ? ends[i] : (int64_t)i * 1000003);
        assert_int_equal(read_array(buffer.bytes, buffer.len, values, count), count);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(values[i], i < 4 ? ends[i] : (int64_t)i * 1000003);
        buffer_free(&buffer);
    }
}

static void a_null_becomes_the_requested_number(void **state)
{
    int64_t values[3] = {9, 9, 9};

    (void)state;
    assert_int_equal(
        read_array(BYTES("\0\0\0\1\0\0\0\1\0\0\0\x14" LEN("\3") NULL_ONE SEVEN NULL_ONE), values,
                   3),
        3);
    assert_int_equal(values[0], NULL_VALUE);
    assert_int_equal(values[1], 7);
    assert_int_equal(values[2], NULL_VALUE);
}

static void an_array_that_is_cut_anywhere_is_refused(void **state)
{
    static const char whole[] = "\0\0\0\1\0\0\0\1\0\0\0\x14" LEN("\4") SEVEN NULL_ONE SEVEN SEVEN;
    int64_t values[4];

    (void)state;
    assert_int_equal(read_array(whole, sizeof(whole) - 1, values, 4), 4);
    for (size_t len = 0; len < sizeof(whole) - 1; len++)
        assert_int_equal(read_array(whole, len, values, 4), -1);
    for (size_t len = 0; len < 12; len++)
        assert_int_equal(read_array(EMPTY, len, values, 4), -1);
    assert_int_equal(pg_int8_array(whole, -1, values, 4, NULL_VALUE), -1);
}

static void more_elements_than_there_is_room_for_are_refused(void **state)
{
    static const char three[] = INT8S LEN("\3") SEVEN SEVEN SEVEN;
    int64_t values[4];

    (void)state;
    assert_int_equal(read_array(three, sizeof(three) - 1, values, 4), 3);
    assert_int_equal(read_array(three, sizeof(three) - 1, values, 3), 3);
    assert_int_equal(read_array(three, sizeof(three) - 1, values, 2), -1);
    assert_int_equal(read_array(three, sizeof(three) - 1, values, 0), -1);
    assert_int_equal(read_array(BYTES(EMPTY), values, 0), 0);
}

static void an_invalid_array_of_bigint_is_refused(void **state)
{
    static const struct {
        const char *what, *bytes;
        size_t len;
    } cases[] = {
        {"text", BYTES(TEXTS LEN("\1") SEVEN)},
        {"no text", BYTES("\0\0\0\0\0\0\0\0\0\0\0\x19")},
        {"int4", BYTES("\0\0\0\1\0\0\0\0\0\0\0\x17" LEN("\1") "\0\0\0\4\0\0\0\7")},
        {"another OID", BYTES("\0\0\0\1\0\0\0\0\1\0\0\x14" LEN("\1") SEVEN)},
        {"the OID in host order", BYTES("\0\0\0\1\0\0\0\0\x14\0\0\0" LEN("\1") SEVEN)},
        {"two dimensions", BYTES("\0\0\0\2\0\0\0\0\0\0\0\x14" LEN("\1") LEN("\1") SEVEN)},
        {"dimensions below zero", BYTES("\xff\xff\xff\xff\0\0\0\0\0\0\0\x14" LEN("\1") SEVEN)},
        {"a length below zero", BYTES(INT8S "\xff\xff\xff\xff\0\0\0\1" SEVEN)},
        {"a length beyond reason", BYTES(INT8S "\x7f\xff\xff\xff\0\0\0\1" SEVEN)},
        {"an element of four", BYTES(INT8S LEN("\1") "\0\0\0\4\0\0\0\7\0\0\0\0")},
        {"an element of none", BYTES(INT8S LEN("\1") "\0\0\0\0\0\0\0\0\0\0\0\7")},
        {"an element of nine", BYTES(INT8S LEN("\1") "\0\0\0\x09\0\0\0\0\0\0\0\7\0")},
        {"an element below NULL", BYTES(INT8S LEN("\1") "\xff\xff\xff\xfe\0\0\0\0\0\0\0\7")},
        {"a second element of four", BYTES(INT8S LEN("\2") SEVEN "\0\0\0\4\0\0\0\7\0\0\0\0")},
    };
    int64_t values[8];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (read_array(cases[i].bytes, cases[i].len, values, 8) != -1)
            fail_msg("%s", cases[i].what);
}

static void texts_come_back(void **state)
{
    static const char bytes[] =
        "\0\0\0\1\0\0\0\1\0\0\0\x19" LEN("\4") "\0\0\0\2/a" NULL_ONE "\0\0\0\0\0\0\0\3/\xc3\xa9";
    struct pg_array array;
    const char *text;
    size_t len;

    (void)state;
    assert_true(pg_text_array_open(&array, bytes, sizeof(bytes) - 1));
    assert_int_equal(array.count, 4);
    assert_true(pg_array_next(&array, &text, &len));
    assert_int_equal(len, 2);
    assert_memory_equal(text, "/a", 2);
    assert_true(pg_array_next(&array, &text, &len));
    assert_null(text);
    assert_true(pg_array_next(&array, &text, &len));
    assert_non_null(text);
    assert_int_equal(len, 0);
    assert_true(pg_array_next(&array, &text, &len));
    assert_int_equal(len, 3);
    assert_memory_equal(text, "/\xc3\xa9", 3);
    assert_false(pg_array_next(&array, &text, &len));
}

static void texts_that_are_cut_or_of_another_type_are_refused(void **state)
{
    static const char whole[] = TEXTS LEN("\2") "\0\0\0\2/a\0\0\0\2/b";
    struct pg_array array;
    const char *text;
    size_t size;

    (void)state;
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        char *copy = malloc(len + 1);
        memcpy(copy, whole, len);
        assert_false(pg_text_array_open(&array, copy, (int)len) &&
                     pg_array_next(&array, &text, &size) && pg_array_next(&array, &text, &size));
        free(copy);
    }
    assert_false(pg_text_array_open(&array, BYTES(EMPTY)));
    assert_false(pg_int8_array_open(&array, whole, sizeof(whole) - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_of_bigint_are_written_in_network_order),
        cmocka_unit_test(arrays_of_text_are_written_in_network_order),
        cmocka_unit_test(an_array_without_elements_has_no_dimension),
        cmocka_unit_test(a_length_has_four_bytes),
        cmocka_unit_test(a_bigint_comes_back),
        cmocka_unit_test(arrays_come_back),
        cmocka_unit_test(a_null_becomes_the_requested_number),
        cmocka_unit_test(an_array_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(more_elements_than_there_is_room_for_are_refused),
        cmocka_unit_test(an_invalid_array_of_bigint_is_refused),
        cmocka_unit_test(texts_come_back),
        cmocka_unit_test(texts_that_are_cut_or_of_another_type_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
