/* Badges: their parameters, and their SVG. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>

#include "render-svc/html/badge.h"
#include "render-svc/html/query.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

static h2o_mem_pool_t pool;

static int set_up(void **state)
{
    (void)state;
    h2o_mem_init_pool(&pool);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    h2o_mem_clear_pool(&pool);
    return 0;
}

static struct badge read_badge(const char *query)
{
    struct badge badge;
    const char *error = badge_read(&pool, query, strlen(query), &badge);

    if (error != NULL)
        fail_msg("%s: %s", query, error);
    return badge;
}

static void without_parameters_it_is_flat_and_says_hits(void **state)
{
    struct badge badge = read_badge("");

    (void)state;
    assert_int_equal(badge.style, BADGE_FLAT);
    assert_int_equal(badge.label_len, 4);
    assert_memory_equal(badge.label, "hits", 4);
    assert_int_equal(badge.color, 0x007ec6);
    assert_int_equal(badge.label_color, 0x555555);
}

static void parameters_are_read(void **state)
{
    struct badge badge =
        read_badge("style=FOR-the-badge&label=a+b%2B%C3%A9&color=F0a&labelColor=12abEF");

    (void)state;
    assert_int_equal(badge.style, BADGE_FOR_THE_BADGE);
    assert_int_equal(badge.label_len, 6);
    assert_memory_equal(badge.label, "a b+\xc3\xa9", 6);
    assert_int_equal(badge.color, 0xff00aa);
    assert_int_equal(badge.label_color, 0x12abef);
    assert_int_equal(read_badge("color=Red").color, 0xe05d44);
    assert_int_equal(read_badge("color=%23000").color, 0);
}

static void an_invalid_value_is_refused(void **state)
{
    static const char *const queries[] = {
        "color=g00", "color=@00",    "color=`00",       "color=1234",
        "color=",    "color=%23",    "style=",          "style=x",
        "label=%01", "label=%7F",    "label=%FF",       "label=%EF%BF%BF",
        "label=%zz", "label",        "label=a&label=a", "cacheSeconds=",
        "color=+00", "color=red;",   "labelColor=%00",  "cacheSeconds=-1",
        "color=G00", "color=%20red", "cacheSeconds=1m", "cacheSeconds=1.5",
        "numbers=",  "numbers=long",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(queries); i++) {
        struct badge badge;

        if (badge_read(&pool, queries[i], strlen(queries[i]), &badge) == NULL)
            fail_msg("%s", queries[i]);
    }
}

static void a_short_number_is_rounded_down(void **state)
{
    static const struct {
        int64_t number;
        const char *shown;
    } cases[] = {
        {0, "0"},
        {999, "999"},
        {1000, "1k"},
        {1099, "1k"},
        {1100, "1.1k"},
        {9999, "9.9k"},
        {12345, "12.3k"},
        {99999, "99.9k"},
        {100000, "100k"},
        {123456, "123k"},
        {999999, "999k"},
        {1000000, "1M"},
        {1250000, "1.2M"},
        {999999999, "999M"},
        {1000000000, "1G"},
        {1234567890123, "1.2T"},
        {1000000000000000, "1P"},
        {INT64_MAX, "9.2E"},
        {BADGE_NO_COUNT, "counted"},
    };
    struct badge badge =
        read_badge("numbers=short&label=%22&color=red&style=plastic&cacheSeconds=90");

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct buffer json = {0};
        char expected[256];

        badge_add_shields(&json, &badge, cases[i].number);
        buffer_add(&json, "", 1);
        snprintf(expected, sizeof(expected),
                 "{\"schemaVersion\":1,\"label\":\"\\\"\",\"message\":\"%s\",\"color\":\"e05d44\","
                 "\"labelColor\":\"555555\",\"style\":\"plastic\",\"cacheSeconds\":90}\n",
                 cases[i].shown);
        assert_string_equal(json.bytes, expected);
        buffer_free(&json);
    }
}

static void other_parameters_are_ignored(void **state)
{
    static const char *const queries[] = {
        "cb=1",     "v",     "&",       "&&=&",      "utm_source=a&utm_source=b",
        "colour=x", "Label", "LABEL=x", "%zz=1",     "t=%FF%00",
        "=",        "?",     "amp;x=1", "label[]=x",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(queries); i++) {
        char query[64];
        struct badge badge;

        snprintf(query, sizeof(query), "%s&color=f00&%s", queries[i], queries[i]);
        badge = read_badge(query);
        assert_int_equal(badge.color, 0xff0000);
        assert_int_equal(badge.label_len, 4);
    }
}

static void a_badge_may_be_kept_for_a_minute_to_a_year(void **state)
{
    static const struct {
        const char *query;
        int cache_s;
    } cases[] = {
        {"", 60},
        {"cacheSeconds=0", 60},
        {"cacheSeconds=59", 60},
        {"cacheSeconds=61", 61},
        {"cacheSeconds=0003600", 3600},
        {"cacheSeconds=31536000", 31536000},
        {"cacheSeconds=31536001", 31536000},
        {"cacheSeconds=99999999999999999999999999", 31536000},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++)
        assert_int_equal(read_badge(cases[i].query).cache_s, cases[i].cache_s);
}

static void assert_holds(const struct buffer *svg, const char *part)
{
    if (memmem(svg->bytes, svg->len, part, strlen(part)) == NULL)
        fail_msg("%.*s\nholds no %s", (int)svg->len, svg->bytes, part);
}

static void numbers_have_their_thousands_apart(void **state)
{
    static const struct {
        int64_t number;
        const char *text;
    } cases[] = {
        {0, ">0<"},
        {999, ">999<"},
        {1000, ">1,000<"},
        {1234567, ">1,234,567<"},
        {INT64_MAX, ">9,223,372,036,854,775,807<"},
        {BADGE_NO_COUNT, ">counted<"},
    };

    (void)state;
    for (size_t i = 0; i < SIZE(cases); i++) {
        struct badge badge = read_badge("");
        struct buffer svg = {0};

        badge_render(&svg, &badge, cases[i].number);
        assert_holds(&svg, cases[i].text);
        buffer_free(&svg);
    }
}

static void no_byte_of_a_label_is_markup(void **state)
{
    static const char label[] = "<a b=\"c\" d='e'>&amp;]]>";
    static const char *const styles[] = {"flat", "flat-square", "plastic", "for-the-badge"};

    (void)state;
    for (size_t i = 0; i < SIZE(styles); i++) {
        struct badge badge = read_badge("");
        struct buffer svg = {0};

        badge.style = (enum badge_style)i;
        badge.label = label;
        badge.label_len = sizeof(label) - 1;
        badge_render(&svg, &badge, 1);
        assert_null(memmem(svg.bytes, svg.len, "<a ", 3));
        assert_null(memmem(svg.bytes, svg.len, "<A ", 3));
        assert_null(memmem(svg.bytes, svg.len, "]]>", 3));
        assert_null(memmem(svg.bytes, svg.len, "\"c\"", 3));
        buffer_free(&svg);
    }
}

static void text_on_a_light_ground_is_dark(void **state)
{
    struct badge badge = read_badge("color=fff&style=flat-square");
    struct buffer svg = {0};

    (void)state;
    badge_render(&svg, &badge, 5);
    assert_holds(&svg, "fill=\"#333\">5<");
    assert_holds(&svg, "fill=\"#fff\">hits<");
    buffer_free(&svg);
}

static void assert_lacks(const struct buffer *svg, const char *part)
{
    if (memmem(svg->bytes, svg->len, part, strlen(part)) != NULL)
        fail_msg("%.*s\nholds %s", (int)svg->len, svg->bytes, part);
}

/* textLength, which lets the browser space the characters, needs a text of known width. */
static void only_text_of_a_known_width_is_held_to_it(void **state)
{
    static const char known[] = "caf\xc3\xa9",
                      joined[] = "\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7";
    struct badge badge = read_badge("style=flat-square");
    struct buffer svg = {0};

    (void)state;
    badge.label = known;
    badge.label_len = sizeof(known) - 1;
    badge_render(&svg, &badge, 5);
    assert_holds(&svg, "y=\"14\" textLength=\"23\" fill=\"#fff\">caf\xc3\xa9<");
    svg.len = 0;
    badge.label = joined;
    badge.label_len = sizeof(joined) - 1;
    badge_render(&svg, &badge, 5);
    assert_holds(&svg, "y=\"14\" fill=\"#fff\">\xd9\x85");
    assert_holds(&svg, "textLength=\"7\" fill=\"#fff\">5<");
    buffer_free(&svg);
}

static void a_label_of_spaces_is_ignored(void **state)
{
    struct badge badge = read_badge("label=+++&style=flat-square");
    struct buffer svg = {0};

    (void)state;
    badge_render(&svg, &badge, 5);
    assert_holds(&svg, "<title>5</title>");
    assert_lacks(&svg, "#555555");
    buffer_free(&svg);
}

/* --- queries --- */

static void unknown_parameters_stay_in_the_rest(void **state)
{
    static const char *const names[] = {"format", "x"};
    static const char query[] = "a=1+2&format=c+sv%2B&b=%2B&c";
    h2o_iovec_t values[2], rest;

    (void)state;
    assert_null(query_take(&pool, query, sizeof(query) - 1, names, 2, values, &rest));
    assert_true(h2o_memis(values[0].base, values[0].len, H2O_STRLIT("c sv+")));
    assert_null(values[1].base);
    assert_true(h2o_memis(rest.base, rest.len, H2O_STRLIT("a=1%202&b=%2B&c")));
}

static void an_empty_query_has_nothing(void **state)
{
    static const char *const names[] = {"format"};
    h2o_iovec_t value, rest;

    (void)state;
    assert_null(query_take(&pool, "", 0, names, 1, &value, &rest));
    assert_null(value.base);
    assert_int_equal(rest.len, 0);
    assert_null(query_take(&pool, "format=", 7, names, 1, &value, &rest));
    assert_non_null(value.base);
    assert_int_equal(value.len, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_parameters_it_is_flat_and_says_hits),
        cmocka_unit_test(parameters_are_read),
        cmocka_unit_test(an_invalid_value_is_refused),
        cmocka_unit_test(a_short_number_is_rounded_down),
        cmocka_unit_test(other_parameters_are_ignored),
        cmocka_unit_test(a_badge_may_be_kept_for_a_minute_to_a_year),
        cmocka_unit_test(numbers_have_their_thousands_apart),
        cmocka_unit_test(no_byte_of_a_label_is_markup),
        cmocka_unit_test(text_on_a_light_ground_is_dark),
        cmocka_unit_test(only_text_of_a_known_width_is_held_to_it),
        cmocka_unit_test(a_label_of_spaces_is_ignored),
        cmocka_unit_test(unknown_parameters_stay_in_the_rest),
        cmocka_unit_test(an_empty_query_has_nothing),
    };

    return cmocka_run_group_tests_name("badge", tests, set_up, tear_down);
}
