#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "server/ops/log_private.h"
#include "tests/unit/capture.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

static char text[1 << 16];
static struct capture capture;

static int begin(void **state)
{
    (void)state;
    log_sum_up(true);
    log_init("test", LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
    return 0;
}

static void listen(void)
{
    capture = capture_begin(STDERR_FILENO);
}

/* Returns the only line since listen() as JSON. jansson must read it as one object. */
static json_t *heard(void)
{
    size_t len = capture_end(&capture, text, sizeof(text));
    json_error_t error;
    json_t *line;

    assert_in_range(len, 2, LOG_JSON_BYTES);
    assert_ptr_equal(strchr(text, '\n'), text + len - 1);
    line = json_loadb(text, len - 1, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (line == NULL)
        fail_msg("%s: %s", error.text, text);
    assert_true(json_is_object(line));
    return line;
}

static const char *get(const json_t *line, const char *key)
{
    const char *value = json_string_value(json_object_get(line, key));

    assert_non_null(value);
    return value;
}

static void a_line_has_time_level_service_event_and_pairs(void **state)
{
    json_t *line;

    (void)state;
    listen();
    log_each(LOG_LEVEL_WARNING, "listening", "address=%s:%u why=%s", "[::1]", 8081U,
             LOG_QUOTED("as told"));
    line = heard();
    assert_int_equal(json_object_size(line), 6);
    assert_int_equal(strlen(get(line, "ts")), strlen("2026-11-23T22:15:00.123Z"));
    assert_string_equal(get(line, "level"), "warning");
    assert_string_equal(get(line, "service"), "test");
    assert_string_equal(get(line, "event"), "listening");
    assert_string_equal(get(line, "address"), "[::1]:8081");
    assert_string_equal(get(line, "why"), "as told");
    assert_ptr_equal(strstr(text, "{\"ts\":\""), text);
    json_decref(line);
}

static void only_whole_numbers_become_numbers(void **state)
{
    json_t *line;

    (void)state;
    listen();
    log_each(LOG_LEVEL_INFO, "n", "a=%d b=%lld c=%zu d=%u e=%s f=%s g=%d:%d h=%s i=%05d j=%x", -17,
             9007199254740992LL, (size_t)0, UINT_MAX, "40001", "08006", 1, 2, "true", 7, 9U);
    line = heard();
    assert_int_equal(json_integer_value(json_object_get(line, "a")), -17);
    assert_int_equal(json_integer_value(json_object_get(line, "b")), 9007199254740992);
    assert_true(json_is_integer(json_object_get(line, "c")));
    assert_int_equal(json_integer_value(json_object_get(line, "d")), UINT_MAX);
    assert_string_equal(get(line, "e"), "40001");
    assert_string_equal(get(line, "f"), "08006");
    assert_string_equal(get(line, "g"), "1:2");
    assert_string_equal(get(line, "h"), "true");
    assert_string_equal(get(line, "i"), "00007");
    assert_string_equal(get(line, "j"), "9");
    json_decref(line);
}

static void a_number_that_scripts_would_round_is_text(void **state)
{
    json_t *line;

    (void)state;
    listen();
    log_each(LOG_LEVEL_INFO, "n", "a=%lld b=%lld", 9007199254740993LL, LLONG_MIN);
    line = heard();
    assert_string_equal(get(line, "a"), "9007199254740993");
    assert_string_equal(get(line, "b"), "-9223372036854775808");
    json_decref(line);
}

/* U+FFFD, which replaces bytes that are not UTF-8. */
#define ODD "\xef\xbf\xbd"

static void every_value_comes_out_as_it_went_in(void **state)
{
    static const struct {
        const char *value, *seen; /* NULL: equal to `value` */
    } cases[] = {
        {"plain", NULL},
        {"", NULL},
        {"two words", NULL},
        {"\"", NULL},
        {"\\", NULL},
        {"\\\"", NULL},
        {"\\n", NULL},
        {"\\x1b", NULL},
        {"ends with a backslash \\", NULL},
        {"\" event=\"forged\" level=error", NULL},
        {"x\"}\n{\"event\":\"forged", NULL},
        {"\n\r\t\b\f\v\x01\x1f\x7f\x1b[31m", NULL},
        {"gr\xc3\xbc\xc3\x9f \xe2\x80\xa8 \xf0\x9f\x98\x80", NULL},
        {"a=b c=d", NULL},
        {"=", NULL},
        {" ", NULL},
        {"</script>", NULL},
        {"\xff", ODD},
        {"a\xc3", "a" ODD},
        {"\xc3(", ODD "("},
        {"\xed\xa0\x80", ODD ODD ODD},
        {"\xc0\xaf", ODD ODD},
        {"\xf8\x88\x80\x80\x80", ODD ODD ODD ODD ODD},
        {"\xe2\x80 \xc3\xa9", ODD ODD " \xc3\xa9"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); ++i) {
        const char *seen = cases[i].seen != NULL ? cases[i].seen : cases[i].value;
        json_t *line;

        listen();
        log_each(LOG_LEVEL_ERROR, "e", "first=%s last=%s", LOG_QUOTED(cases[i].value),
                 LOG_QUOTED(cases[i].value));
        line = heard();
        assert_int_equal(json_object_size(line), 6);
        assert_string_equal(get(line, "first"), seen);
        assert_string_equal(get(line, "last"), seen);
        json_decref(line);
    }
}

static void a_value_that_was_not_quoted_loses_nothing_and_makes_no_other_object(void **state)
{
    static const struct {
        const char *value, *seen;
    } cases[] = {
        {"two words", "two words"}, {"a  b", "a  b"},
        {"a\"b", "a\"b"},           {"\"open", "open"},
        {"\"a\"b c", "a\"b c"},     {"x,\"y\":1}", "x,\"y\":1}"},
        {"a\nb\x1b", "a?b?"},       {"back\\slash\\", "back\\slash\\"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); ++i) {
        json_t *line;

        listen();
        log_each(LOG_LEVEL_ERROR, "e", "why=%s", cases[i].value);
        line = heard();
        assert_string_equal(get(line, "why"), cases[i].seen);
        json_decref(line);
    }
}

static void a_line_that_is_cut_anywhere_is_still_json_and_says_so(void **state)
{
    static const char piece[] = "\"\\\n\x01\xc3\xa9\xf0\x9f\x98\x80 =";

    (void)state;
    for (size_t len = 1500; len < 2300; ++len) {
        char *value = malloc(len + 1), quoted[4 * 2300];
        json_t *line;

        for (size_t i = 0; i < len; ++i)
            value[i] = piece[i % (sizeof(piece) - 1)];
        value[len] = '\0';
        listen();
        log_each(LOG_LEVEL_ERROR, "e", "first=%d value=%s last=%d", 1,
                 log_quote(value, quoted, sizeof(quoted)), 2);
        line = heard();
        assert_int_equal(json_integer_value(json_object_get(line, "first")), 1);
        assert_true(json_is_true(json_object_get(line, "cut")));
        assert_null(json_object_get(line, "last"));
        json_decref(line);
        free(value);
    }
}

static void pairs_from_the_first_that_does_not_fit_are_omitted(void **state)
{
    char odd[1900];
    json_t *line;

    (void)state;
    memset(odd, '\xff', sizeof(odd)); /* each byte takes six bytes in JSON */
    odd[sizeof(odd) - 1] = '\0';
    listen();
    log_each(LOG_LEVEL_ERROR, "e", "first=%d odd=%s last=%d", 1, odd, 2);
    line = heard();
    assert_int_equal(json_object_size(line), 6);
    assert_int_equal(json_integer_value(json_object_get(line, "first")), 1);
    assert_true(json_is_true(json_object_get(line, "cut")));
    json_decref(line);
}

static void a_repetition_has_its_numbers_as_numbers(void **state)
{
    json_t *line;

    (void)state;
    listen();
    log_event(LOG_LEVEL_ERROR, "e", "lane=%d", 1);
    json_decref(heard());
    listen();
    log_event(LOG_LEVEL_ERROR, "e", "lane=%d", 2);
    log_sum_up(true);
    line = heard();
    assert_int_equal(json_integer_value(json_object_get(line, "repeated")), 1);
    assert_true(json_is_integer(json_object_get(line, "for_s")));
    assert_int_equal(json_integer_value(json_object_get(line, "lane")), 2);
    json_decref(line);
}

static void any_bytes_become_an_object_in_any_room(void **state)
{
    static const char alphabet[] = "a=\" \\x\n\xc3\xa9\xf0\x9f\x98\x80z_0,{}:";
    unsigned random = 1;

    (void)state;
    for (int round = 0; round < 20000; ++round) {
        char line[64], json[256];
        size_t len = (size_t)(round % 64), size = 64 + (size_t)(round % 190);
        json_t *object;

        for (size_t i = 0; i < len; ++i) {
            random = random * 1103515245 + 12345;
            line[i] = alphabet[(random >> 16) % (sizeof(alphabet) - 1)];
        }
        len = log_to_json(line, len, "a=%d z=%s", round % 2 == 0, json, size);
        assert_in_range(len, 2, size);
        /* a key may occur twice here */
        object = json_loadb(json, len, JSON_ALLOW_NUL, NULL);
        assert_true(json_is_object(object));
        json_decref(object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_line_has_time_level_service_event_and_pairs, begin),
        cmocka_unit_test_setup(only_whole_numbers_become_numbers, begin),
        cmocka_unit_test_setup(a_number_that_scripts_would_round_is_text, begin),
        cmocka_unit_test_setup(every_value_comes_out_as_it_went_in, begin),
        cmocka_unit_test_setup(a_value_that_was_not_quoted_loses_nothing_and_makes_no_other_object,
                               begin),
        cmocka_unit_test_setup(a_line_that_is_cut_anywhere_is_still_json_and_says_so, begin),
        cmocka_unit_test_setup(pairs_from_the_first_that_does_not_fit_are_omitted, begin),
        cmocka_unit_test_setup(a_repetition_has_its_numbers_as_numbers, begin),
        cmocka_unit_test_setup(any_bytes_become_an_object_in_any_room, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
