/* MessagePack that is read or refused. The bytes follow the specification of the format. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "proto/message.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Bytes that may contain NUL. */
struct bytes {
    const char *at;
    size_t len;
};
#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* Reads a copy of exactly `len` bytes, so that AddressSanitizer finds reads beyond them. */
static bool read_bytes(const char *at, size_t len, struct msgpack_values *values, char **copy,
                       struct value *root)
{
    *copy = calloc(1, len);
    if (len != 0)
        memcpy(*copy, at, len);
    return msgpack_read(*copy, len, values, root);
}

static void assert_refused(const char *at, size_t len)
{
    struct msgpack_values values;
    struct value root;
    char *copy;

    if (read_bytes(at, len, &values, &copy, &root))
        fail_msg("%zu bytes from %02x on were taken", len, len != 0 ? *at & 0xFF : 0);
    free(values.values);
    free(copy);
}

/* --- one value --- */

static struct value read_value(const struct bytes *bytes)
{
    struct msgpack_values values;
    struct value root;
    char *copy;

    if (!read_bytes(bytes->at, bytes->len, &values, &copy, &root))
        fail_msg("%02x… was refused", *bytes->at & 0xFF);
    free(values.values);
    free(copy);
    return root;
}

static void whole_numbers_of_every_width_are_read(void **state)
{
    static const struct {
        struct bytes bytes;
        int64_t number;
    } cases[] = {
        {BYTES("\x00"), 0},
        {BYTES("\x7f"), 127},
        {BYTES("\xff"), -1},
        {BYTES("\xe0"), -32},
        {BYTES("\xcc\x00"), 0},
        {BYTES("\xcc\xff"), 255},
        {BYTES("\xcd\x00\x01"), 1},
        {BYTES("\xcd\xff\xfe"), 65534},
        {BYTES("\xce\x00\x00\x00\x00"), 0},
        {BYTES("\xce\xff\xff\xff\xfe"), 4294967294},
        {BYTES("\xcf\x00\x00\x00\x00\x00\x00\x00\x05"), 5},
        {BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX},
        {BYTES("\xd0\x7f"), 127},
        {BYTES("\xd0\x80"), -128},
        {BYTES("\xd1\x7f\xff"), 32767},
        {BYTES("\xd1\x80\x00"), -32768},
        {BYTES("\xd2\x7f\xff\xff\xff"), INT32_MAX},
        {BYTES("\xd2\x80\x00\x00\x00"), INT32_MIN},
        {BYTES("\xd3\x7f\xff\xff\xff\xff\xff\xff\xff"), INT64_MAX},
        {BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), INT64_MIN},
        {BYTES("\xd3\xff\xff\xff\xfe\xd5\xfa\x0e\x00"), -5000000000},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct value value = read_value(&cases[i].bytes);

        assert_int_equal(value.type, VALUE_INT);
        assert_int_equal(value.number, cases[i].number);
    }
}

static void everything_else_that_json_has_is_read(void **state)
{
    static const struct {
        struct bytes bytes;
        enum value_type type;
        int64_t number;
    } cases[] = {
        {BYTES("\xc0"), VALUE_NULL, 0},
        {BYTES("\xc2"), VALUE_BOOL, 0},
        {BYTES("\xc3"), VALUE_BOOL, 1},
        {BYTES("\xca\x3f\x80\x00\x00"), VALUE_OTHER, 0},
        {BYTES("\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"), VALUE_OTHER, 0},
        {BYTES("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), VALUE_OTHER, 0},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct value value = read_value(&cases[i].bytes);

        assert_int_equal(value.type, cases[i].type);
        assert_int_equal(value.number, cases[i].number);
    }
}

static void text_of_every_width_is_read(void **state)
{
    static const struct bytes heads[] = {BYTES("\xa3"), BYTES("\xd9\x03"), BYTES("\xda\x00\x03"),
                                         BYTES("\xdb\x00\x00\x00\x03")};
    static const struct bytes empty[] = {BYTES("\xa0"), BYTES("\xd9\x00"), BYTES("\xda\x00\x00"),
                                         BYTES("\xdb\x00\x00\x00\x00")};
    struct msgpack_values values;
    struct value root;
    char *copy;

    (void)state;
    for (size_t i = 0; i < SIZE(heads); i++) {
        struct buffer bytes = {0};

        buffer_add(&bytes, heads[i].at, heads[i].len);
        buffer_add_literal(&bytes, "/\xc3\xa9");
        assert_true(read_bytes(bytes.bytes, bytes.len, &values, &copy, &root));
        assert_int_equal(root.type, VALUE_TEXT);
        assert_int_equal(root.size, 3);
        assert_ptr_equal(root.text, copy + heads[i].len);
        free(values.values);
        free(copy);
        root = read_value(&empty[i]);
        assert_int_equal(root.type, VALUE_TEXT);
        assert_int_equal(root.size, 0);
        assert_non_null(root.text);
        buffer_free(&bytes);
    }
}

static void lists_and_maps_of_every_width_are_read(void **state)
{
    static const struct bytes lists[] = {BYTES("\x92\x05\xc0"), BYTES("\xdc\x00\x02\x05\xc0"),
                                         BYTES("\xdd\x00\x00\x00\x02\x05\xc0")};
    static const struct bytes maps[] = {BYTES("\x82\xa0\x05\xa1x\x90"),
                                        BYTES("\xde\x00\x02\xa0\x05\xa1x\x90"),
                                        BYTES("\xdf\x00\x00\x00\x02\xa0\x05\xa1x\x90")};
    struct msgpack_values values;
    struct value root;
    char *copy;

    (void)state;
    for (size_t i = 0; i < SIZE(lists); i++) {
        assert_true(read_bytes(lists[i].at, lists[i].len, &values, &copy, &root));
        assert_int_equal(root.type, VALUE_LIST);
        assert_int_equal(root.size, 2);
        assert_int_equal(values.values[root._first].number, 5);
        assert_int_equal(values.values[root._first + 1].type, VALUE_NULL);
        free(values.values);
        free(copy);
        assert_true(read_bytes(maps[i].at, maps[i].len, &values, &copy, &root));
        assert_int_equal(root.type, VALUE_MAP);
        assert_int_equal(root.size, 2);
        assert_int_equal(values.values[root._first].size, 0);
        assert_int_equal(values.values[root._first + 1].number, 5);
        assert_memory_equal(values.values[root._first + 2].text, "x", 1);
        assert_int_equal(values.values[root._first + 3].type, VALUE_LIST);
        assert_int_equal(values.values[root._first + 3].size, 0);
        free(values.values);
        free(copy);
    }
}

static void lists_within_lists_keep_their_items_apart(void **state)
{
    static const struct bytes bytes = BYTES("\x93\x92\x01\x02\x81\xa1x\x92\x03\x04\x05");
    struct msgpack_values values;
    struct value root, map;
    char *copy;

    (void)state;
    assert_true(read_bytes(bytes.at, bytes.len, &values, &copy, &root));
    assert_int_equal(root.size, 3);
    assert_int_equal(values.values[values.values[root._first]._first + 1].number, 2);
    map = values.values[root._first + 1];
    assert_int_equal(values.values[values.values[map._first + 1]._first + 1].number, 4);
    assert_int_equal(values.values[root._first + 2].number, 5);
    free(values.values);
    free(copy);
}

/* --- refused --- */

static void values_that_json_lacks_are_refused_everywhere(void **state)
{
    static const struct bytes bad[] = {
        BYTES("\xc1"),     /* an unused type */
        BYTES("\xc4\x00"), /* binary data */
        BYTES("\xc4\x01x"),
        BYTES("\xc5\x00\x01x"),
        BYTES("\xc6\x00\x00\x00\x01x"),
        BYTES("\xc7\x00\x05"), /* extensions */
        BYTES("\xc7\x01\x05x"),
        BYTES("\xc8\x00\x01\x05x"),
        BYTES("\xc9\x00\x00\x00\x01\x05x"),
        BYTES("\xc9\xff\xff\xff\xff\x05x"),
        BYTES("\xd4\xffx"),
        BYTES("\xd5\x05xx"),
        BYTES("\xd6\xff\x00\x00\x00\x00"), /* a time stamp */
        BYTES("\xd7\x05xxxxxxxx"),
        BYTES("\xd8\x05xxxxxxxxxxxxxxxx"),
        BYTES("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"), /* beyond int64_t */
        BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
        BYTES("\xa1\x00"), /* NUL */
        BYTES("\xa3/a\x00"),
        BYTES("\xab/aaaaaaaa\x00/"),
        BYTES("\xa1\xff"), /* not UTF-8 */
        BYTES("\xa2\xc0\xaf"),
        BYTES("\xa3\xed\xa0\x80"),
        BYTES("\xa4\xf4\x90\x80\x80"),
        BYTES("\xa1\xc3"),
        BYTES("\x81\x01\x01"), /* a name that is not text */
        BYTES("\x81\xc0\x01"),
        BYTES("\x81\xc2\x01"),
        BYTES("\x81\x90\x01"),
        BYTES("\x81\x80\x01"),
        BYTES("\x82\xa1x\x01\xa1x\x01"), /* a name that occurs twice */
        BYTES("\x83\xa1x\x01\xa1y\x01\xa1x\x01"),
        BYTES("\x82\xa0\x01\xa0\x01"),
        BYTES("\x82\xa1x\x01\xd9\x01x\x01"),
    };

    (void)state;
    for (size_t i = 0; i < SIZE(bad); i++) {
        struct buffer bytes = {0};

        assert_refused(bad[i].at, bad[i].len);
        buffer_add_literal(&bytes, "\x82\xa1v\x92\x01");
        buffer_add(&bytes, bad[i].at, bad[i].len);
        buffer_add_literal(&bytes, "\xa1w\x05");
        assert_refused(bytes.bytes, bytes.len);
        buffer_free(&bytes);
    }
}

static void a_name_may_occur_in_two_maps(void **state)
{
    static const struct bytes bytes = BYTES("\x82\xa1x\x81\xa1x\x01\xa1y\x81\xa1x\x01");

    (void)state;
    assert_int_equal(read_value(&bytes).type, VALUE_MAP);
}

static void a_message_that_is_cut_anywhere_or_goes_on_is_refused(void **state)
{
    static const struct bytes whole =
        BYTES("\x86\xa1"
              "a\xd9\x03xyz\xa1"
              "b\xdc\x00\x02\xcd\x01\x01\xd3\x00\x00\x00\x00\x00\x00\x00\x01"
              "\xa1"
              "c\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\xa1"
              "d\xc0\xa1"
              "e\xda\x00\x01q\xa1"
              "f\x80");
    struct buffer more = {0};

    (void)state;
    assert_int_equal(read_value(&whole).size, 6);
    for (size_t len = 0; len < whole.len; len++)
        assert_refused(whole.at, len);
    for (int byte = 0; byte < 256; byte++) {
        char c = (char)byte;
        more.len = 0;
        buffer_add(&more, whole.at, whole.len);
        buffer_add(&more, &c, 1);
        assert_refused(more.bytes, more.len);
    }
    buffer_free(&more);
}

/* No memory is allocated for a length that the bytes only claim. */
static void a_claim_beyond_the_end_is_refused_and_costs_nothing(void **state)
{
    static const struct bytes claims[] = {
        BYTES("\xdd\xff\xff\xff\xff"), BYTES("\xdd\xff\x00\x00\x00"), BYTES("\xdc\xff\xff"),
        BYTES("\xdf\xff\xff\xff\xff"), BYTES("\xdf\x80\x00\x00\x00"), BYTES("\xde\xff\xff"),
        BYTES("\xdb\xff\xff\xff\xff"), BYTES("\xda\xff\xff"),         BYTES("\xd9\xff"),
        BYTES("\xc6\xff\xff\xff\xff"), BYTES("\xc9\xff\xff\xff\xff"), BYTES("\xde\x00\x20"),
    };
    struct msgpack_values values;
    struct value root;
    char *copy;

    (void)state;
    for (size_t i = 0; i < SIZE(claims); i++) {
        struct buffer bytes = {0};

        assert_refused(claims[i].at, claims[i].len);
        for (size_t depth = 0; depth < 20; depth++) /* each claim within the one before */
            buffer_add(&bytes, claims[i].at, claims[i].len);
        assert_false(read_bytes(bytes.bytes, bytes.len, &values, &copy, &root));
        assert_in_range(values.capacity, 0, 1000);
        free(values.values);
        free(copy);
        buffer_free(&bytes);
    }
}

static void there_are_never_more_values_than_bytes(void **state)
{
    enum { ITEMS = 50000 };
    struct buffer bytes = {0};
    struct msgpack_values values;
    struct value root;
    char *copy;

    (void)state;
    buffer_add_literal(&bytes, "\xdd\x00\x00\xc3\x50");
    memset(buffer_reserve(&bytes, ITEMS), 0x90, ITEMS);
    bytes.len += ITEMS;
    assert_true(read_bytes(bytes.bytes, bytes.len, &values, &copy, &root));
    assert_int_equal(root.size, ITEMS);
    assert_int_equal(values.used, ITEMS);
    assert_in_range(values.capacity, ITEMS, 2 * bytes.len);
    free(values.values);
    free(copy);
    buffer_free(&bytes);
}

static void there_are_at_most_32_levels(void **state)
{
    static const char *const openings[] = {"\x91", "\x81\xa1x"};

    (void)state;
    for (size_t i = 0; i < SIZE(openings); i++) {
        struct buffer bytes = {0};
        struct bytes good;

        for (size_t depth = 0; depth < MSGPACK_DEPTH; depth++)
            buffer_add_string(&bytes, openings[i]);
        buffer_add_literal(&bytes, "\x01");
        good = (struct bytes){bytes.bytes, bytes.len};
        assert_int_not_equal(read_value(&good).type, VALUE_NONE);
        --bytes.len;
        buffer_add_string(&bytes, openings[i]);
        buffer_add_literal(&bytes, "\x01");
        assert_refused(bytes.bytes, bytes.len);
        for (size_t depth = 0; depth < 1000000; depth++)
            buffer_add_string(&bytes, openings[i]);
        assert_refused(bytes.bytes, bytes.len);
        buffer_free(&bytes);
    }
}

static void a_map_has_at_most_32_members(void **state)
{
    (void)state;
    for (size_t members = MSGPACK_MAX_MEMBERS; members <= MSGPACK_MAX_MEMBERS + 1; members++) {
        char head[3] = {(char)0xDE, 0, (char)members}, member[3] = {(char)0xA1, 0, 1};
        struct buffer bytes = {0};
        struct bytes all;

        buffer_add(&bytes, head, sizeof(head));
        for (size_t i = 0; i < members; i++) {
            member[1] = (char)('A' + i);
            buffer_add(&bytes, member, sizeof(member));
        }
        all = (struct bytes){bytes.bytes, bytes.len};
        if (members <= MSGPACK_MAX_MEMBERS)
            assert_int_equal(read_value(&all).size, members);
        else
            assert_refused(bytes.bytes, bytes.len);
        buffer_free(&bytes);
    }
}

/* --- whole messages --- */

static void a_message_is_one_map_and_owns_its_values(void **state)
{
    static const struct bytes no_maps[] = {BYTES("\x90"), BYTES("\xc0"), BYTES("\x05"),
                                           BYTES("\xa1x"), BYTES("\xc3")};
    char body[] = "\x82\xa1x\xa2/a\xa1y\x91\x05";
    struct message message;
    const char *error;
    struct value value;

    (void)state;
    for (size_t i = 0; i < SIZE(no_maps); i++) {
        assert_int_equal(
            message_read(&message, no_maps[i].at, no_maps[i].len, ENCODING_MSGPACK, &error), -1);
        assert_string_equal(error, "The body is not a MessagePack map.");
    }
    assert_int_equal(message_read(&message, NULL, 0, ENCODING_MSGPACK, &error), -1);
    assert_string_equal(error, "The body is not MessagePack.");
    assert_int_equal(message_read(&message, "{}", 2, ENCODING_MSGPACK, &error), -1);
    assert_string_equal(error, "The body is not MessagePack.");
    assert_int_equal(message_read(&message, body, sizeof(body) - 1, ENCODING_MSGPACK, &error), 0);
    memset(body, 0, sizeof(body));
    value = message_member(&message, message.root, "x");
    assert_int_equal(value.size, 2);
    assert_memory_equal(value.text, "/a", 2);
    value = message_member(&message, message.root, "y");
    assert_int_equal(message_item(&message, value, 0).number, 5);
    assert_int_equal(message_member(&message, message.root, "z").type, VALUE_NONE);
    assert_int_equal(message_member(&message, message.root, "").type, VALUE_NONE);
    assert_int_equal(message_member(&message, value, "x").type, VALUE_NONE);
    message_free(&message);
    message_free(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_of_every_width_are_read),
        cmocka_unit_test(everything_else_that_json_has_is_read),
        cmocka_unit_test(text_of_every_width_is_read),
        cmocka_unit_test(lists_and_maps_of_every_width_are_read),
        cmocka_unit_test(lists_within_lists_keep_their_items_apart),
        cmocka_unit_test(values_that_json_lacks_are_refused_everywhere),
        cmocka_unit_test(a_name_may_occur_in_two_maps),
        cmocka_unit_test(a_message_that_is_cut_anywhere_or_goes_on_is_refused),
        cmocka_unit_test(a_claim_beyond_the_end_is_refused_and_costs_nothing),
        cmocka_unit_test(there_are_never_more_values_than_bytes),
        cmocka_unit_test(there_are_at_most_32_levels),
        cmocka_unit_test(a_map_has_at_most_32_members),
        cmocka_unit_test(a_message_is_one_map_and_owns_its_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
