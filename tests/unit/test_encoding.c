/* The encoding that the value of a header names. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/encoding.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Passes a copy of exactly this length, so that AddressSanitizer finds reads beyond it. */
static enum encoding named(const char *value)
{
    size_t len = strlen(value);
    char *copy = malloc(len);
    enum encoding encoding;

    memcpy(copy, value, len);
    encoding = encoding_named(copy, len);
    free(copy);
    return encoding;
}

static void messagepack_is_named_alone_or_in_a_list_in_any_case_with_parameters(void **state)
{
    static const char *const values[] = {
        "application/vnd.msgpack",
        " application/vnd.msgpack\t",
        "Application/VND.MsgPack",
        "application/vnd.msgpack;v=1",
        "application/vnd.msgpack ; v=0",
        "application/json, application/vnd.msgpack",
        "application/vnd.msgpack,application/json",
        ",, application/vnd.msgpack",
        "*/*,application/vnd.msgpack;q=0.001",
        "application/vnd.msgpack;q=1",
        "application/vnd.msgpack;q=0.5;v=1",
        "application/vnd.msgpack;q=0, application/vnd.msgpack",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(values); i++)
        if (named(values[i]) != ENCODING_MSGPACK)
            fail_msg("\"%s\"", values[i]);
    assert_int_equal(named(MEDIA_BOTH), ENCODING_MSGPACK);
}

static void everything_else_is_json(void **state)
{
    static const char *const values[] = {
        "",
        " ",
        ",",
        ";",
        ",;,;",
        "*/*",
        "application/*",
        "application/json",
        "text/html",
        "application/msgpack",
        "application/x-msgpack",
        "application/vnd.msgpac",
        "application/vnd.msgpack2",
        "application/vnd.msgpack+x",
        "application/vnd.msgpack x",
        "x application/vnd.msgpack",
        "\"application/vnd.msgpack\"",
        "application/json;x=application/vnd.msgpack",
        "application/vnd.msgpack;q=0",
        "application/vnd.msgpack; Q=0.000",
        "application/vnd.msgpack;v=1;q=0.0",
        "application/vnd.msgpack;q=0;v=1",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(values); i++)
        if (named(values[i]) != ENCODING_JSON)
            fail_msg("\"%s\"", values[i]);
    assert_int_equal(encoding_named(NULL, 0), ENCODING_JSON);
}

static void an_encoding_is_named_by_its_own_type(void **state)
{
    (void)state;
    for (int encoding = 0; encoding < N_ENCODINGS; encoding++)
        assert_int_equal(named(encoding_media_type((enum encoding)encoding)), encoding);
    assert_string_equal(encoding_media_type(ENCODING_JSON), "application/json");
    assert_string_equal(encoding_media_type(ENCODING_MSGPACK), "application/vnd.msgpack");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messagepack_is_named_alone_or_in_a_list_in_any_case_with_parameters),
        cmocka_unit_test(everything_else_is_json),
        cmocka_unit_test(an_encoding_is_named_by_its_own_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
