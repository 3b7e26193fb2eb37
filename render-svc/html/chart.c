/* The charts, made of the parts in chart_parts.c. */
#include "render-svc/html/chart.h"

#include "base/memory.h"
#include "render-svc/html/chart_private.h"
#include "render-svc/html/html.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAYS  30
#define HOURS 24
#define DAY_S 86400

/* --- points --- */

static void add_point_row(struct buffer *to, const struct history_point *point, bool without_bots)
{
    struct bar bar = chart_bar_of(point, without_bots);

    buffer_add_literal(to, "<tr><th scope=\"row\">");
    chart_add_time(to, point->time, point->time_len);
    buffer_add_literal(to, "</th>");
    chart_add_cell(to, bar.hits);
    if (!without_bots)
        chart_add_cell(to, bar.bots);
    buffer_add_literal(to, "</tr>\n");
}

static void add_point_columns(struct buffer *to, const struct history *history, bool without_bots)
{
    buffer_add_string(to, history->by_hour ? "<th scope=\"col\">Hour</th>"
                                           : "<th scope=\"col\">Day</th>");
    buffer_add_string(to, without_bots
                              ? "<th scope=\"col\">Hits by people</th>"
                              : "<th scope=\"col\">Hits</th><th scope=\"col\">By bots</th>");
}

/* Writes the time at the left end of a chart: that of the first point, or as many days before it as
 * there are free slots. */
static void find_first(char first[sizeof("2026-10-25T02:00:00+02:00")],
                       const struct history *history, size_t skip, size_t free_slots)
{
    struct tm day = {0};

    *first = '\0';
    if (history->size == 0)
        return;
    snprintf(first, sizeof("2026-10-25T02:00:00+02:00"), "%s", history->points[skip].time);
    if (free_slots != 0 && strptime(first, "%Y-%m-%d", &day) != NULL) {
        time_t time = timegm(&day) - (time_t)free_slots * DAY_S;
        gmtime_r(&time, &day);
        strftime(first, sizeof("2026-10-25"), "%Y-%m-%d", &day);
    }
}

/* Appends a chart of points that has room for `slots` bars; the last one is for the last point. */
static void add_points(struct buffer *to, const struct history *history, const char *title,
                       size_t slots, bool without_bots)
{
    size_t skip = history->size > slots ? history->size - slots : 0, size = history->size - skip;
    const struct history_point *points = history->points + skip;
    struct bar *bars = memory_allocate(size, sizeof(*bars)), sum = {0};
    struct buffer columns = {0};
    char first[sizeof("2026-10-25T02:00:00+02:00")];
    int64_t highest;

    for (size_t i = 0; i < size; ++i) {
        bars[i] = chart_bar_of(&points[i], without_bots);
        chart_add_to(&sum, bars[i]);
    }
    highest = chart_highest(bars, size);
    chart_begin(to, "days", title);
    chart_add_hits(to, sum, without_bots);
    chart_end_caption(to);
    chart_begin_svg(to, slots, highest);
    chart_add_bars(to, bars, size, slots - size, highest);
    find_first(first, history, skip, slots - size);
    chart_end_svg(to, first, size != 0 ? points[size - 1].time : "");
    add_point_columns(&columns, history, without_bots);
    buffer_add(&columns, "", 1);
    chart_begin_table(to, "days", columns.bytes);
    for (size_t i = 0; i < size; ++i)
        add_point_row(to, &points[i], without_bots);
    chart_end(to);
    buffer_free(&columns);
    free(bars);
}

void chart_add_days(struct buffer *to, const struct history *days, bool without_bots)
{
    add_points(to, days, "Last 30 days", DAYS, without_bots);
}

void chart_add_all(struct buffer *to, const struct history *history, bool without_bots)
{
    add_points(to, history, history->by_hour ? "By the hour" : "By the day",
               history->size != 0 ? history->size : 1, without_bots);
}

/* --- hours --- */

/* The hours of a day. An hour is not known before history begins, in the future, and where clocks
 * go forward. */
struct day {
    struct bar hours[HOURS];
    bool is_known[HOURS];
    struct bar sum;
};

struct two_days {
    struct day today, yesterday;
    bool has_yesterday;
    bool has_so_far; /* yesterday has hours up to the current one */
    int64_t so_far;  /* the hits in those */
};

static void add_to_day(struct day *day, unsigned hour, struct bar bar)
{
    chart_add_to(&day->hours[hour], bar);
    chart_add_to(&day->sum, bar);
    day->is_known[hour] = true;
}

static void split(struct two_days *days, const struct history *hours, bool without_bots)
{
    const struct history_point *last;

    *days = (struct two_days){0};
    if (hours->size == 0)
        return;
    last = &hours->points[hours->size - 1];
    for (size_t i = 0; i < hours->size; ++i) {
        const struct history_point *point = &hours->points[i];
        struct bar bar = chart_bar_of(point, without_bots);
        unsigned hour = history_hour(point);
        if (memcmp(point->time, last->time, 10) == 0) {
            add_to_day(&days->today, hour, bar);
            continue;
        }
        days->has_yesterday = true;
        add_to_day(&days->yesterday, hour, bar);
        if (hour <= history_hour(last)) {
            days->has_so_far = true;
            days->so_far = chart_plus(days->so_far, bar.hits);
        }
    }
}

/* Appends a line of steps, one for each hour that is known. */
static void add_steps(struct buffer *to, const struct day *day, int64_t highest)
{
    buffer_add_literal(to, "<path class=\"before\" vector-effect=\"non-scaling-stroke\" d=\"");
    for (unsigned hour = 0; hour < HOURS; ++hour)
        if (day->is_known[hour])
            html_add(to, "%s%u %.4gH%u", hour == 0 || !day->is_known[hour - 1] ? "M" : "L",
                     hour * CHART_SLOT, CHART_HEIGHT - chart_height(day->hours[hour].hits, highest),
                     (hour + 1) * CHART_SLOT);
    buffer_add_literal(to, "\"/>\n");
}

/* Appends the cell of an hour; `number` is of its hits. */
static void add_hour_cell(struct buffer *to, const struct day *day, unsigned hour, int64_t number)
{
    if (day->is_known[hour])
        chart_add_cell(to, number);
    else
        buffer_add_literal(to, "<td>–</td>");
}

static void add_hours_rows(struct buffer *to, const struct two_days *days, bool without_bots)
{
    chart_begin_table(to, "hours",
                      without_bots
                          ? "<th scope=\"col\">Hour</th><th scope=\"col\">Today</th>"
                            "<th scope=\"col\">Yesterday</th>"
                          : "<th scope=\"col\">Hour</th><th scope=\"col\">Today</th>"
                            "<th scope=\"col\">By bots</th><th scope=\"col\">Yesterday</th>");
    for (unsigned hour = 0; hour < HOURS; ++hour) {
        html_add(to, "<tr><th scope=\"row\">%s%u:00</th>", hour < 10 ? "0" : "", hour);
        add_hour_cell(to, &days->today, hour, days->today.hours[hour].hits);
        if (!without_bots)
            add_hour_cell(to, &days->today, hour, days->today.hours[hour].bots);
        add_hour_cell(to, &days->yesterday, hour, days->yesterday.hours[hour].hits);
        buffer_add_literal(to, "</tr>\n");
    }
    chart_end(to);
}

/* Appends the sums of both days. */
static void add_sums(struct buffer *to, const struct two_days *days, bool without_bots)
{
    chart_add_hits(to, days->today.sum, without_bots);
    if (!days->has_yesterday)
        return;
    buffer_add_literal(to, "; <span class=\"before\">yesterday</span> ");
    if (days->has_so_far)
        html_add(to, "%'jd by this hour, ", days->so_far);
    html_add(to, "%'jd in all", days->yesterday.sum.hits);
}

void chart_add_hours(struct buffer *to, const struct history *hours, bool without_bots)
{
    struct two_days days;
    int64_t highest, highest_before;

    split(&days, hours, without_bots);
    highest = chart_highest(days.today.hours, HOURS);
    highest_before = chart_highest(days.yesterday.hours, HOURS);
    if (highest_before > highest)
        highest = highest_before;
    chart_begin(to, "hours", days.has_yesterday ? "Today and yesterday" : "Today");
    add_sums(to, &days, without_bots);
    chart_end_caption(to);
    chart_begin_svg(to, HOURS, highest);
    chart_add_bars(to, days.today.hours, HOURS, 0, highest);
    if (days.has_yesterday)
        add_steps(to, &days.yesterday, highest);
    chart_end_svg(to, "00:00", "24:00");
    add_hours_rows(to, &days, without_bots);
}

/* --- the rest of a page --- */

void chart_add_table(struct buffer *to, const struct history *history, bool without_bots)
{
    buffer_add_literal(to, "<table class=\"data\" aria-labelledby=\"history\">\n<thead><tr>");
    add_point_columns(to, history, without_bots);
    buffer_add_literal(to, "</tr></thead>\n<tbody>\n");
    for (size_t i = history->size; i > 0; --i)
        add_point_row(to, &history->points[i - 1], without_bots);
    buffer_add_literal(to, "</tbody>\n</table>\n");
}

void chart_add_beginning(struct buffer *to, const struct history *history)
{
    html_add(to, "<p class=\"note\">History begins <time datetime=\"%s\">", history->begins);
    chart_add_time(to, history->begins, strlen(history->begins));
    html_add(to, "</time>. Hours and days are in the time zone %s.</p>\n", history->zone);
}

void chart_add_page(struct buffer *to, const struct history *days, const struct history *hours,
                    bool without_bots)
{
    if (hours != NULL)
        chart_add_hours(to, hours, without_bots);
    if (days != NULL)
        chart_add_days(to, days, without_bots);
    if (days != NULL || hours != NULL)
        chart_add_beginning(to, days != NULL ? days : hours);
}
