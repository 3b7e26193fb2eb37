/* Histories from counter-svc, and their charts. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "proto/history.h"
#include "render-svc/html/chart.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define HISTORY(unit, times, hits, bots)                                                           \
    "{\"path\": null, \"unit\": \"" unit "\", \"zone\": \"Europe/Berlin\", "                       \
    "\"begins\": \"2026-03-28T17:03:11+01:00\", \"times\": " times ", \"hits\": " hits             \
    ", \"bots\": " bots "}"

static struct history decoded(const char *json)
{
    struct history history;
    const char *error = NULL;

    if (history_decode(json, strlen(json), &history, &error) != 0)
        fail_msg("%s: %s", json, error);
    return history;
}

static void hours_and_days_are_read(void **state)
{
    struct history history =
        decoded(HISTORY("hour", "[\"2026-10-25T02:00:00+02:00\", \"2026-10-25T02:00:00-01:30\"]",
                        "[9223372036854775807, 3]", "[0, 3]"));

    (void)state;
    assert_true(history.by_hour);
    assert_string_equal(history.zone, "Europe/Berlin");
    assert_string_equal(history.begins, "2026-03-28T17:03:11+01:00");
    assert_int_equal(history.size, 2);
    assert_int_equal(history.points[0].hits, INT64_MAX);
    assert_int_equal(history.points[1].bots, 3);
    assert_int_equal(history_hour(&history.points[1]), 2);
    history_free(&history);
    history_free(&history); /* now it is empty, so this does nothing */

    history = decoded(HISTORY("day", "[\"2026-10-25\"]", "[1]", "[1]"));
    assert_false(history.by_hour);
    assert_string_equal(history.points[0].time, "2026-10-25");
    history_free(&history);
    history = decoded(HISTORY("day", "[]", "[]", "[]"));
    assert_int_equal(history.size, 0);
    history_free(&history);
}

static void anything_else_is_refused(void **state)
{
    static const char *const others[] = {
        "",
        "[]",
        "{}",
        HISTORY("week", "[]", "[]", "[]"),
        HISTORY("day", "[\"2026-10-25\"]", "[]", "[]"),
        HISTORY("day", "[\"2026-10-25\"]", "[1]", "[]"),
        HISTORY("day", "[\"2026-10-25\"]", "[1]", "[2]"),
        HISTORY("day", "[\"2026-10-25\"]", "[-1]", "[0]"),
        HISTORY("day", "[\"2026-10-25\"]", "[1.5]", "[0]"),
        HISTORY("day", "[20261025]", "[1]", "[0]"),
        HISTORY("day", "[\"2026-10-2x\"]", "[1]", "[0]"),
        HISTORY("day", "[\"2026-10-25T02:00:00+02:00\"]", "[1]", "[0]"),
        HISTORY("hour", "[\"2026-10-25\"]", "[1]", "[0]"),
        HISTORY("hour", "[\"2026-10-25T02:00:00Z\"]", "[1]", "[0]"),
        HISTORY("day", "null", "null", "null"),
        "{\"unit\": \"day\", \"zone\": 1, \"begins\": \"2026-03-28T17:03:11+01:00\", \"times\": "
        "[], "
        "\"hits\": [], \"bots\": []}",
    };

    (void)state;
    for (size_t i = 0; i < SIZE(others); i++) {
        struct history history;
        const char *error = NULL;
        if (history_decode(others[i], strlen(others[i]), &history, &error) == 0)
            fail_msg("%s", others[i]);
        assert_non_null(error);
        assert_null(history.points);
    }
}

/* --- charts --- */

static void assert_has(const struct buffer *html, const char *text)
{
    if (memmem(html->bytes, html->len, text, strlen(text)) == NULL)
        fail_msg("%s is not in\n%.*s", text, (int)html->len, html->bytes);
}

static void assert_has_not(const struct buffer *html, const char *text)
{
    if (memmem(html->bytes, html->len, text, strlen(text)) != NULL)
        fail_msg("%s is in\n%.*s", text, (int)html->len, html->bytes);
}

static void a_day_is_a_bar_of_people_and_of_bots_above_them(void **state)
{
    struct history days =
        decoded(HISTORY("day", "[\"2026-10-24\", \"2026-10-25\"]", "[50, 100]", "[0, 25]"));
    struct buffer html = {0};

    (void)state;
    chart_add_days(&html, &days, false);
    assert_has(&html, "viewBox=\"0 0 300 100\"");
    assert_has(&html, "<path d=\"M281 100V50h8V100zM291 100V25h8V100z\"/>");
    assert_has(&html, "<path class=\"bots\" d=\"M291 25V0h8V25z\"/>");
    assert_has(&html, "150 hits, 25 <span class=\"bots\">by bots</span>");
    assert_has(&html, "<th scope=\"row\">2026-10-25</th><td>100</td><td>25</td>");
    assert_has(&html, ">100 hits</p>\n<svg ");
    /* the first of 30 days; the history is shorter */
    assert_has(&html, "<span>2026-09-26</span><span>2026-10-25</span>");
    html.len = 0;
    chart_add_days(&html, &days, true);
    assert_has(&html, "<path d=\"M281 100V33.33h8V100zM291 100V0h8V100z\"/>");
    assert_has(&html, "125 hits by people</p>");
    assert_has_not(&html, "class=\"bots\"");
    buffer_free(&html);
    history_free(&days);
}

static void counts_of_any_size_have_a_chart(void **state)
{
    struct history days =
        decoded(HISTORY("day", "[\"2026-10-24\", \"2026-10-25\", \"2026-10-26\"]",
                        "[9223372036854775807, 9223372036854775807, 1]", "[0, 1, 1]"));
    struct history none = decoded(HISTORY("day", "[]", "[]", "[]"));
    struct history zero = decoded(HISTORY("hour", "[\"2026-10-25T02:00:00+02:00\"]", "[0]", "[0]"));
    struct buffer html = {0};

    (void)state;
    chart_add_days(&html, &days, false);
    assert_has(&html, "9,223,372,036,854,775,807 hits");
    assert_has(&html, "V98h8"); /* one hit is visible */
    chart_add_all(&html, &none, false);
    chart_add_table(&html, &none, false);
    assert_has_not(&html, "nan");
    assert_has_not(&html, "inf");
    html.len = 0;
    chart_add_hours(&html, &zero, false);
    chart_add_beginning(&html, &zero);
    assert_has_not(&html, "class=\"scale\"");
    assert_has_not(&html, "nan");
    assert_has_not(&html, "inf");
    buffer_free(&html);
    history_free(&days);
    history_free(&none);
    history_free(&zero);
}

/* Clocks went back yesterday: 02:00 occurred twice. */
static void today_stands_beside_yesterday_by_the_hour_of_the_day(void **state)
{
    struct history hours =
        decoded(HISTORY("hour",
                        "[\"2026-10-25T01:00:00+02:00\", \"2026-10-25T02:00:00+02:00\", "
                        "\"2026-10-25T02:00:00+01:00\", "
                        "\"2026-10-25T03:00:00+01:00\", \"2026-10-26T00:00:00+01:00\", "
                        "\"2026-10-26T02:00:00+01:00\"]",
                        "[1, 10, 20, 100, 7, 8]", "[0, 0, 0, 0, 2, 0]"));
    struct buffer html = {0};

    (void)state;
    chart_add_hours(&html, &hours, false);
    assert_has(&html, "Today and yesterday</h2>");
    assert_has(&html, "15 hits, 2 <span class=\"bots\">by bots</span>; "
                      "<span class=\"before\">yesterday</span> 31 by this hour, 131 in all");
    assert_has(&html, "<th scope=\"row\">02:00</th><td>8</td><td>0</td><td>30</td>");
    assert_has(&html, "<th scope=\"row\">03:00</th><td>–</td><td>–</td><td>100</td>");
    buffer_free(&html);
    history_free(&hours);
}

/* The history of yesterday has gaps. Clocks went forward today, so there is no 02:00. */
static void an_hour_without_history_has_neither_a_number_nor_a_line(void **state)
{
    struct history hours =
        decoded(HISTORY("hour",
                        "[\"2026-03-28T21:00:00+01:00\", \"2026-03-28T23:00:00+01:00\", "
                        "\"2026-03-29T00:00:00+01:00\", \"2026-03-29T01:00:00+01:00\", "
                        "\"2026-03-29T03:00:00+02:00\"]",
                        "[10, 5, 1, 0, 4]", "[0, 0, 0, 0, 0]"));
    struct buffer html = {0};

    (void)state;
    chart_add_hours(&html, &hours, false);
    assert_has(&html, "5 hits; <span class=\"before\">yesterday</span> 15 in all");
    assert_has(&html, "d=\"M210 0H220M230 50H240\"/>");
    assert_has(&html, "<th scope=\"row\">01:00</th><td>0</td><td>0</td><td>–</td>");
    assert_has(&html, "<th scope=\"row\">02:00</th><td>–</td><td>–</td><td>–</td>");
    assert_has(&html, "<th scope=\"row\">21:00</th><td>–</td><td>–</td><td>10</td>");
    buffer_free(&html);
    history_free(&hours);
}

static void the_name_of_a_time_zone_is_escaped(void **state)
{
    struct history days =
        decoded("{\"unit\": \"day\", \"zone\": \"<b>&\", \"begins\": "
                "\"2026-03-28T17:03:11+00:00\", \"times\": [], \"hits\": [], \"bots\": []}");
    struct buffer html = {0};

    (void)state;
    chart_add_beginning(&html, &days);
    assert_has(&html, "&lt;b&gt;&amp;");
    assert_has(&html, ">2026-03-28 17:03 UTC</time>");
    buffer_free(&html);
    history_free(&days);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hours_and_days_are_read),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(a_day_is_a_bar_of_people_and_of_bots_above_them),
        cmocka_unit_test(counts_of_any_size_have_a_chart),
        cmocka_unit_test(today_stands_beside_yesterday_by_the_hour_of_the_day),
        cmocka_unit_test(an_hour_without_history_has_neither_a_number_nor_a_line),
        cmocka_unit_test(the_name_of_a_time_zone_is_escaped),
    };

    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
