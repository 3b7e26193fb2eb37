/* Buffers grow, and other libraries read the same text and numbers from them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/buffer.h"
#include "proto/path.h"

static void assert_holds(struct buffer *buffer, const char *bytes, size_t len)
{
    assert_int_equal(buffer->len, len);
    assert_true(buffer->capacity >= len);
    assert_memory_equal(buffer->bytes, bytes, len);
    buffer_free(buffer);
}

static void the_content_stays_while_the_buffer_grows(void **state)
{
    static char expected[100000];
    struct buffer buffer = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(expected); i++)
        expected[i] = (char)(i * 7 % 251);
    for (size_t at = 0, piece = 1; at < sizeof(expected); at += piece, piece = piece % 300 + 1) {
        if (piece > sizeof(expected) - at)
            piece = sizeof(expected) - at;
        buffer_add(&buffer, expected + at, piece);
        assert_int_equal(buffer.len, at + piece);
    }
    assert_holds(&buffer, expected, sizeof(expected));
}

static void a_reserve_gives_the_requested_room_and_changes_nothing_else(void **state)
{
    static const size_t sizes[] = {1, 255, 256, 257, 4096, 100000};
    struct buffer buffer = {0};

    (void)state;
    buffer_add_literal(&buffer, "before");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *room = buffer_reserve(&buffer, sizes[i]);
        assert_ptr_equal(room, buffer.bytes + 6);
        assert_int_equal(buffer.len, 6);
        assert_true(buffer.capacity - buffer.len >= sizes[i]);
        memset(room, 'x', sizes[i]); /* AddressSanitizer finds writes beyond it */
    }
    assert_holds(&buffer, "before", 6);
}

static void a_freed_buffer_is_empty_and_can_be_used_again(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    buffer_free(&buffer);
    buffer_add_string(&buffer, "once");
    buffer_free(&buffer);
    assert_null(buffer.bytes);
    assert_int_equal(buffer.len, 0);
    assert_int_equal(buffer.capacity, 0);
    buffer_add_string(&buffer, "again");
    buffer_add_string(&buffer, "");
    assert_holds(&buffer, "again", 5);
}

static void a_literal_is_added_whole_also_with_nul_in_it(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    buffer_add_literal(&buffer, "a\0b");
    buffer_add_string(&buffer, "c\0d");
    assert_holds(&buffer, "a\0bc", 4);
}

static void integers_are_written_in_decimal_from_end_to_end(void **state)
{
    static const int64_t numbers[] = {0,         1,
                                      -1,        9,
                                      10,        -10,
                                      99,        100,
                                      101,       1234567890,
                                      INT64_MAX, INT64_MAX - 1,
                                      INT64_MIN, INT64_MIN + 1,
                                      INT32_MIN, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct buffer buffer = {0};
        char expected[32];

        snprintf(expected, sizeof(expected), "%" PRId64, numbers[i]);
        buffer_add_int(&buffer, numbers[i]);
        assert_holds(&buffer, expected, strlen(expected));
    }
    for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10) {
        struct buffer buffer = {0};
        char expected[64];

        snprintf(expected, sizeof(expected), "%" PRId64 " %" PRId64, power - 1, -power);
        buffer_add_int(&buffer, power - 1);
        buffer_add_literal(&buffer, " ");
        buffer_add_int(&buffer, -power);
        assert_holds(&buffer, expected, strlen(expected));
    }
}

static void json_text_escapes_only_the_characters_that_json_forbids(void **state)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"", "\"\""},
        {"/a b", "\"/a b\""},
        {"\"", "\"\\\"\""},
        {"\\", "\"\\\\\""},
        {"a\"b\\c\nd", "\"a\\\"b\\\\c\\u000Ad\""},
        {"\x01\x1f", "\"\\u0001\\u001F\""},
        {" \x7f/'<>&", "\" \x7f/'<>&\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer buffer = {0};

        buffer_add_json(&buffer, cases[i].text, strlen(cases[i].text));
        assert_holds(&buffer, cases[i].json, strlen(cases[i].json));
    }
}

static void every_ascii_character_comes_back_out_of_its_json(void **state)
{
    char all[128];

    (void)state;
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    for (size_t i = 0; i <= sizeof(all); i++) { /* each character alone, then all */
        const char *text = i < sizeof(all) ? &all[i] : all;
        size_t len = i < sizeof(all) ? 1 : sizeof(all);
        struct buffer buffer = {0};
        json_t *value;

        buffer_add_json(&buffer, text, len);
        for (size_t at = 0; at < buffer.len; at++)
            assert_false(iscntrl((unsigned char)buffer.bytes[at]) && buffer.bytes[at] != 0x7F);
        value = json_loadb(buffer.bytes, buffer.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_true(json_is_string(value));
        assert_int_equal(json_string_length(value), len);
        assert_memory_equal(json_string_value(value), text, len);
        json_decref(value);
        buffer_free(&buffer);
    }
}

static void percent_encoding_leaves_only_unreserved_characters(void **state)
{
    static const char unreserved[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    (void)state;
    for (int c = 0; c < 256; c++) {
        char text = (char)c, expected[4], decoded[3];
        size_t decoded_len;
        struct buffer buffer = {0};

        if (c != 0 && strchr(unreserved, c) != NULL)
            snprintf(expected, sizeof(expected), "%c", c);
        else
            snprintf(expected, sizeof(expected), "%%%02X", (unsigned)c);
        buffer_add_percent(&buffer, &text, 1);
        assert_true(percent_decode(buffer.bytes, buffer.len, decoded, &decoded_len));
        assert_int_equal(decoded_len, 1);
        assert_memory_equal(decoded, &text, 1);
        assert_holds(&buffer, expected, strlen(expected));
    }
}

/* Each escape has its maximum length. */
static void escapes_have_room_for_the_worst(void **state)
{
    (void)state;
    for (size_t len = 1; len < 600; len++) {
        char *text = malloc(len);
        struct buffer json = {0}, percent = {0};

        memset(text, 1, len);
        buffer_add_json(&json, text, len);
        buffer_add_percent(&percent, text, len);
        assert_int_equal(json.len, 6 * len + 2);
        assert_int_equal(percent.len, 3 * len);
        buffer_free(&json);
        buffer_free(&percent);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_content_stays_while_the_buffer_grows),
        cmocka_unit_test(a_reserve_gives_the_requested_room_and_changes_nothing_else),
        cmocka_unit_test(a_freed_buffer_is_empty_and_can_be_used_again),
        cmocka_unit_test(a_literal_is_added_whole_also_with_nul_in_it),
        cmocka_unit_test(integers_are_written_in_decimal_from_end_to_end),
        cmocka_unit_test(json_text_escapes_only_the_characters_that_json_forbids),
        cmocka_unit_test(every_ascii_character_comes_back_out_of_its_json),
        cmocka_unit_test(percent_encoding_leaves_only_unreserved_characters),
        cmocka_unit_test(escapes_have_room_for_the_worst),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
