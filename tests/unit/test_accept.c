/* The form of an answer that a client prefers: headers of real clients, and others. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "render-svc/public/accept.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Passes a copy of exactly this length, so that AddressSanitizer finds reads beyond it. */
static bool ask(bool (*question)(const char *value, size_t len), const char *value)
{
    size_t len = strlen(value);
    char *copy = malloc(len);
    bool answer;

    memcpy(copy, value, len);
    answer = question(copy, len);
    free(copy);
    return answer;
}

static void assert_all(bool (*question)(const char *value, size_t len), bool expected,
                       const char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ask(question, values[i]) != expected)
            fail_msg("%s", values[i]);
}

#define assert_json(values)    assert_all(accept_prefers_json, true, values, SIZE(values))
#define assert_html(values)    assert_all(accept_prefers_json, false, values, SIZE(values))
#define assert_minimal(values) assert_all(prefer_is_minimal, true, values, SIZE(values))
#define assert_full(values)    assert_all(prefer_is_minimal, false, values, SIZE(values))

static void browsers_get_the_page(void **state)
{
    static const char *const values[] = {
        /* Chrome and Edge; Firefox until 91, from 92, from 128; Safari; Internet Explorer; Opera */
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,"
        "*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/png,"
        "image/svg+xml,*/*;q=0.8",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "text/html, application/xhtml+xml, image/jxr, */*",
        "image/gif, image/jpeg, */*",
        "text/html, application/xml;q=0.9, application/xhtml+xml, image/png, image/webp, "
        "image/jpeg, image/gif, image/x-xbitmap, */*;q=0.1",
        "text/html, text/*;q=0.9, image/jpeg;q=0.9, image/png;q=0.9, image/*;q=0.9, */*;q=0.8",
        "text/html;q=1.0, text/plain;q=0.8, */*;q=0.1",
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
        "text/css,*/*;q=0.1",
    };

    (void)state;
    assert_html(values);
}

static void programs_that_ask_for_json_get_it(void **state)
{
    static const char *const values[] = {
        "application/json",
        "application/json, text/javascript, */*; q=0.01", /* jQuery */
        "application/json, */*;q=0.5",                    /* HTTPie */
        "application/json, */*",
        "application/json, text/plain, */*", /* axios, Angular */
        "application/json;charset=utf-8",
        "application/json; indent=4",
        "application/json, text/html;q=0.9",
        "text/html;q=0.9, application/json",
        "application/json, application/problem+json;q=0.9",
        "application/*",
        "application/*, text/plain",
    };

    (void)state;
    assert_json(values);
}

static void html_wins_ties_and_where_nothing_fits(void **state)
{
    static const char *const values[] = {
        "",
        " ",
        "*/*",
        "*/*;q=0.3",
        "text/html, application/json",
        "application/json, text/html",
        "application/json;q=0.5, text/html;q=0.5",
        "application/*, text/*",
        "application/json, text/html, */*",
        "image/png",
        "text/plain",
        "application/xml",
        "application/problem+json",
        "application/jsonp",
        "application/json5",
        "xapplication/json",
        "json",
        "*",
        "*/json",
    };

    (void)state;
    assert_html(values);
}

static void the_higher_weight_wins_by_a_thousandth(void **state)
{
    static const char *const json[] = {
        "text/html;q=0.5, application/json;q=0.501", "text/html;q=0, application/json;q=0.001",
        "text/html;q=0.999, application/json",       "text/html;q=0.999, application/json;q=1.000",
        "text/html;q=0.09, application/json;q=0.1",  "text/html;q=0., application/json;q=0.1",
        "text/html;q=0.12,application/json;q=0.2",
    };
    static const char *const html[] = {
        "text/html;q=0.501, application/json;q=0.5", "text/html;q=0.001, application/json;q=0",
        "text/html, application/json;q=0.999",       "text/html;q=0.1, application/json;q=0.100",
        "text/html;q=1, application/json;q=1.000",   "text/html;q=0.2,application/json;q=0.12",
    };

    (void)state;
    assert_json(json);
    assert_html(html);
}

static void weight_zero_means_not_at_all(void **state)
{
    static const char *const json[] = {
        "text/html;q=0, */*",
        "*/*, text/html;q=0",
        "*/*, text/html;q=0.000",
        "text/*;q=0, */*;q=0.1",
    };
    static const char *const html[] = {
        "application/json;q=0",
        "application/json;q=0, */*;q=0.1",
        "*/*, application/json;q=0",
        "application/json;q=0.000",
        "text/html;q=0, application/json;q=0",
        "*/*;q=0",
    };

    (void)state;
    assert_json(json);
    assert_html(html);
}

/* RFC 9110, 12.5.1: the most specific range that matches a form decides. */
static void the_more_specific_range_decides_in_any_position(void **state)
{
    static const char *const json[] = {
        "*/*;q=0.1, application/*;q=0.5",
        "application/*;q=0.5, */*;q=0.1",
        "application/*;q=0.1, application/json, text/html;q=0.5",
        "application/json, application/*;q=0.1, text/html;q=0.5",
        "text/*, text/html;q=0.2, application/json;q=0.3",
        "text/html;q=0.2, text/*, application/json;q=0.3",
        "text/html;q=0.2, application/json;q=0.3, */*",
        "text/*;q=0.2, */*",
    };
    static const char *const html[] = {
        "application/*, application/json;q=0.2, text/html;q=0.3",
        "application/json;q=0.2, application/*, text/html;q=0.3",
        "*/*, application/*;q=0.9",
        "application/json;q=0.5, */*;q=0.8",
        "application/json;q=0.5, text/*;q=0.6, */*;q=0.1",
    };

    (void)state;
    assert_json(json);
    assert_html(html);
}

static void case_and_white_space_mean_nothing(void **state)
{
    static const char *const json[] = {
        "APPLICATION/JSON",
        "Application/Json;Q=0.5",
        "  application/json  ",
        "\tapplication/json\t;\tq=1\t,\ttext/html;q=0.1",
        "text/HTML ; q=0.1 , application/JSON ; q=0.2",
        "text/html;q=0.1,application/json;q=0.2",
        ",application/json",
        "application/json,",
        ", ,application/json,, ,",
        "TEXT/*;q=0, */*",
    };

    (void)state;
    assert_json(json);
}

static void other_parameters_change_no_weight(void **state)
{
    static const char *const json[] = {
        "application/json;charset=utf-8;q=0.9, text/html;q=0.8",
        "application/json;q=0.9;ext=1, text/html;q=0.8",
        "application/json;version=1, text/html;level=1;q=0.4",
        "application/json;qq=0, text/html;q=0.5",
        "application/json;quality=0, text/html;q=0.5",
        "application/json;;q=0.9;, text/html;q=0.8;",
    };

    (void)state;
    assert_json(json);
}

static void a_malformed_weight_counts_as_1(void **state)
{
    static const char *const json[] = {
        "application/json;q=, text/html;q=0.9",      "application/json;q, text/html;q=0.9",
        "application/json;q=x, text/html;q=0.9",     "application/json;q=-1, text/html;q=0.9",
        "application/json;q=2, text/html;q=0.9",     "application/json;q=.5, text/html;q=0.9",
        "application/json;q=0.x, text/html;q=0.9",   "application/json;q=1.5, text/html;q=0.9",
        "application/json;q=\"0\", text/html;q=0.9",
    };
    static const char *const html[] = {
        "text/html;q=high, application/json",
        "text/html;q=, application/json",
        "text/html;q=9, application/json;q=1",
    };

    (void)state;
    assert_json(json);
    assert_html(html);
}

static void no_value_is_read_beyond_its_end(void **state)
{
    static const char text[] = " ,;=q*/\t\"01.aQ";
    uint64_t seed = 9110;

    (void)state;
    for (int round = 0; round < 50000; round++) {
        char value[24];
        size_t len = 0;

        for (; len < sizeof(value) - 1; len++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            if (seed >> 60 == 0)
                break;
            value[len] = text[(seed >> 33) % (sizeof(text) - 1)];
        }
        value[len] = '\0';
        assert_false(ask(accept_prefers_json, value)); /* random text names no form */
        assert_false(ask(prefer_is_minimal, value));
    }
}

static void return_minimal_is_a_preference_for_less(void **state)
{
    static const char *const minimal[] = {
        "return=minimal",
        "Return=minimal",
        "RETURN = minimal",
        "return=\"minimal\"",
        " return=minimal ",
        "return=minimal;foo=bar",
        "return=minimal; foo",
        "respond-async, return=minimal",
        "respond-async,return=minimal,wait=10",
        "handling=lenient, return=minimal",
        ",,return=minimal",
        "return=minimal, return=representation", /* the first one counts */
        "returns=representation, return=minimal",
    };
    static const char *const full[] = {
        "",
        " ",
        "return",
        "return=",
        "return=\"\"",
        "return=representation",
        "return=representation, return=minimal",
        "return=min",
        "return=minimally",
        "return=\"minimal",
        "return=minimal\"",
        "minimal",
        "minimal=return",
        "returns=minimal",
        "xreturn=minimal",
        "foo;return=minimal",
        "foo=return=minimal",
        "return:minimal",
        "\"return=minimal\"",
    };

    (void)state;
    assert_minimal(minimal);
    assert_full(full);
}

static void a_browser_that_opens_an_address_names_html(void **state)
{
    static const char *const named[] = {
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "text/html",
        "application/json;q=0.9, text/html",
        "text/html;q=0.5, */*;q=0.1",
    };
    static const char *const unnamed[] = {
        "",
        "*/*",
        "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
        "text/event-stream",
        "text/*",
        "text/html;q=0",
        "application/json, text/html;q=0.9",
        "*/*, text/html;q=0.5",
        "text/css,*/*;q=0.1",
    };

    (void)state;
    assert_all(accept_names_html, true, named, SIZE(named));
    assert_all(accept_names_html, false, unnamed, SIZE(unnamed));
}

static void csv_is_chosen_where_it_is_offered(void **state)
{
    static const struct {
        const char *value;
        enum accept_form offered, not_offered;
    } cases[] = {
        {"", ACCEPT_HTML, ACCEPT_HTML},
        {"*/*", ACCEPT_HTML, ACCEPT_HTML},
        {"text/csv", ACCEPT_CSV, ACCEPT_HTML},
        {"text/*", ACCEPT_HTML, ACCEPT_HTML},
        {"text/csv, */*", ACCEPT_CSV, ACCEPT_HTML},
        {"TEXT/CSV;header=present", ACCEPT_CSV, ACCEPT_HTML},
        {"text/csv, application/json", ACCEPT_JSON, ACCEPT_JSON},
        {"text/csv, application/json;q=0.9", ACCEPT_CSV, ACCEPT_JSON},
        {"text/html, text/csv", ACCEPT_HTML, ACCEPT_HTML},
        {"text/*;q=0.5, text/csv;q=0.6", ACCEPT_CSV, ACCEPT_HTML},
        {"text/csv;q=0, */*;q=0.1", ACCEPT_HTML, ACCEPT_HTML},
        {"text/html;q=0, text/*", ACCEPT_CSV, ACCEPT_HTML},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        if (accept_choose(cases[i].value, strlen(cases[i].value), true) != cases[i].offered ||
            accept_choose(cases[i].value, strlen(cases[i].value), false) != cases[i].not_offered)
            fail_msg("%s", cases[i].value);
    }
}

static void gzip_is_used_where_it_is_allowed_and_not_worse(void **state)
{
    static const char *const allowed[] = {
        "gzip",
        "gzip, deflate, br, zstd",
        "GZIP;q=1",
        "x-gzip",
        "*",
        "br, *;q=0.5",
        "gzip;q=0.001",
        "identity;q=0.5, gzip",
        " gzip ",
        "gzip;q=0.5,identity;q=0.5",
    };
    static const char *const not_allowed[] = {
        "",        "br",    "identity",     "gzip;q=0", "*, gzip;q=0", "identity, gzip;q=0.5",
        "gzipped", "*;q=0", "deflate;gzip", "gzi",      ",",           ";",
    };

    (void)state;
    assert_all(accept_allows_gzip, true, allowed, SIZE(allowed));
    assert_all(accept_allows_gzip, false, not_allowed, SIZE(not_allowed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(browsers_get_the_page),
        cmocka_unit_test(programs_that_ask_for_json_get_it),
        cmocka_unit_test(html_wins_ties_and_where_nothing_fits),
        cmocka_unit_test(the_higher_weight_wins_by_a_thousandth),
        cmocka_unit_test(weight_zero_means_not_at_all),
        cmocka_unit_test(the_more_specific_range_decides_in_any_position),
        cmocka_unit_test(case_and_white_space_mean_nothing),
        cmocka_unit_test(other_parameters_change_no_weight),
        cmocka_unit_test(a_malformed_weight_counts_as_1),
        cmocka_unit_test(no_value_is_read_beyond_its_end),
        cmocka_unit_test(return_minimal_is_a_preference_for_less),
        cmocka_unit_test(a_browser_that_opens_an_address_names_html),
        cmocka_unit_test(csv_is_chosen_where_it_is_offered),
        cmocka_unit_test(gzip_is_used_where_it_is_allowed_and_not_worse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
