#include "render-svc/chart.h"

#include "render-svc/page_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The SVG's own units: a slot for each bar, stretched to the width there is. */
#define SLOT   10
#define BAR    8
#define HEIGHT 100

#define DAYS  30
#define HOURS 24

/* A bar, or a row of a table. */
struct bar {
    int64_t hits;
    int64_t bots; /* of the hits; 0 without bots */
};

static struct bar bar_of(const struct history_point *point, bool without_bots)
{
    return without_bots ? (struct bar){point->hits - point->bots, 0}
                        : (struct bar){point->hits, point->bots};
}

static int64_t plus(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static void add_to(struct bar *sum, struct bar bar)
{
    sum->hits = plus(sum->hits, bar.hits);
    sum->bots = plus(sum->bots, bar.bots);
}

static int64_t highest_of(const struct bar *bars, size_t size)
{
    int64_t highest = 1;

    for (size_t i = 0; i < size; ++i)
        if (bars[i].hits > highest)
            highest = bars[i].hits;
    return highest;
}

/* --- shapes --- */

/* How high a number is, in the units of the SVG; what is not nothing is seen. */
static double height_of(int64_t number, int64_t highest)
{
    double height = (double)number / (double)highest * HEIGHT;

    return number != 0 && height < 2 ? 2 : height;
}

static void add_format(struct buffer *to, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_format(struct buffer *to, const char *format, ...)
{
    char text[96];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buffer_add_string(to, text);
}

static void begin_svg(struct buffer *to, size_t slots)
{
    add_format(to,
               "<svg viewBox=\"0 0 %zu %d\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\n",
               slots * SLOT, HEIGHT);
}

/* Appends one shape of a part of all bars: of their people's hits, or of their bots' above. */
static void add_bars(struct buffer *to, const struct bar *bars, size_t size, size_t from,
                     int64_t highest, bool of_bots)
{
    buffer_add_string(to, of_bots ? "<path class=\"bots\" d=\"" : "<path d=\"");
    for (size_t i = 0; i < size; ++i) {
        double all = height_of(bars[i].hits, highest);
        double bots =
            bars[i].bots == bars[i].hits ? all : (double)bars[i].bots / (double)highest * HEIGHT;
        double top = of_bots ? all : all - bots, bottom = of_bots ? all - bots : 0;
        if (top - bottom > 0)
            add_format(to, "M%zu %.4gV%.4gh%dV%.4gz", (from + i) * SLOT + (SLOT - BAR) / 2,
                       HEIGHT - bottom, HEIGHT - top, BAR, HEIGHT - bottom);
    }
    buffer_add_literal(to, "\"/>\n");
}

static bool has_bots(const struct bar *bars, size_t size)
{
    for (size_t i = 0; i < size; ++i)
        if (bars[i].bots != 0)
            return true;
    return false;
}

static void add_all_bars(struct buffer *to, const struct bar *bars, size_t size, size_t from,
                         int64_t highest)
{
    add_bars(to, bars, size, from, highest, false);
    if (has_bots(bars, size))
        add_bars(to, bars, size, from, highest, true);
}

/* Appends a line of steps, one for each number. */
static void add_steps(struct buffer *to, const struct bar *bars, size_t size, int64_t highest)
{
    buffer_add_literal(to, "<path class=\"before\" vector-effect=\"non-scaling-stroke\" d=\"");
    for (size_t i = 0; i < size; ++i)
        add_format(to, "%s%zu %.4gH%zu", i == 0 ? "M" : "L", i * SLOT,
                   HEIGHT - height_of(bars[i].hits, highest), (i + 1) * SLOT);
    buffer_add_literal(to, "\"/>\n");
}

/* --- what stands around them --- */

static void add_hits(struct buffer *to, struct bar bar, bool without_bots)
{
    html_add_number(to, bar.hits);
    buffer_add_string(to, bar.hits == 1 ? " hit" : " hits");
    if (without_bots)
        buffer_add_literal(to, " by people");
    if (bar.bots != 0) {
        buffer_add_literal(to, ", ");
        html_add_number(to, bar.bots);
        buffer_add_literal(to, " <span class=\"bots\">by bots</span>");
    }
}

/* Begins a chart with a heading of this id, and a line of text. */
static void begin_chart(struct buffer *to, const char *id, const char *title)
{
    buffer_add_literal(to, "<figure class=\"chart\" aria-labelledby=\"");
    buffer_add_string(to, id);
    buffer_add_literal(to, "\">\n<figcaption><h2 id=\"");
    buffer_add_string(to, id);
    buffer_add_literal(to, "\">");
    buffer_add_string(to, title);
    buffer_add_literal(to, "</h2>\n<p class=\"note\">");
}

static void end_caption(struct buffer *to)
{
    buffer_add_literal(to, "</p></figcaption>\n");
}

/* A time as people read it: 2026-10-25 02:00 +02:00, or the day that it is. */
static void add_time(struct buffer *to, const char *time, size_t len)
{
    html_add_text(to, time, len < 10 ? len : 10);
    if (len < 25)
        return;
    buffer_add_literal(to, " ");
    html_add_text(to, time + 11, 5);
    buffer_add_literal(to, " ");
    if (memcmp(time + 19, "+00:00", 6) == 0)
        buffer_add_literal(to, "UTC");
    else
        html_add_text(to, time + 19, 6);
}

/* Ends the SVG, and says what stands at its ends: times, or a part of one. */
static void end_svg(struct buffer *to, const char *first, const char *last)
{
    buffer_add_literal(to, "</svg>\n<p class=\"axis\" aria-hidden=\"true\"><span>");
    add_time(to, first, strlen(first));
    buffer_add_literal(to, "</span><span>");
    add_time(to, last, strlen(last));
    buffer_add_literal(to, "</span></p>\n");
}

static void begin_table(struct buffer *to, const char *id, const char *columns)
{
    buffer_add_literal(to, "<div class=\"unseen\"><table class=\"data\" aria-labelledby=\"");
    buffer_add_string(to, id);
    buffer_add_literal(to, "\">\n<thead><tr>");
    buffer_add_string(to, columns);
    buffer_add_literal(to, "</tr></thead>\n<tbody>\n");
}

static void end_chart(struct buffer *to)
{
    buffer_add_literal(to, "</tbody>\n</table></div>\n</figure>\n");
}

static void add_cell(struct buffer *to, int64_t number)
{
    buffer_add_literal(to, "<td>");
    html_add_number(to, number);
    buffer_add_literal(to, "</td>");
}

static void begin_row(struct buffer *to, const char *name, size_t len)
{
    buffer_add_literal(to, "<tr><th scope=\"row\">");
    html_add_text(to, name, len);
    buffer_add_literal(to, "</th>");
}

static void add_point_row(struct buffer *to, const struct history_point *point, bool without_bots)
{
    struct bar bar = bar_of(point, without_bots);

    buffer_add_literal(to, "<tr><th scope=\"row\">");
    add_time(to, point->time, point->time_len);
    buffer_add_literal(to, "</th>");
    add_cell(to, bar.hits);
    if (!without_bots)
        add_cell(to, bar.bots);
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

void chart_add_beginning(struct buffer *to, const struct history *history)
{
    buffer_add_literal(to, "<p class=\"note\">History begins <time datetime=\"");
    html_add_text(to, history->begins, strlen(history->begins));
    buffer_add_literal(to, "\">");
    add_time(to, history->begins, strlen(history->begins));
    buffer_add_literal(to, "</time>. Days are those of the time zone ");
    html_add_text(to, history->zone, strlen(history->zone));
    buffer_add_literal(to, ".</p>\n");
}

/* --- the charts --- */

/* Appends a chart of points that has room for `slots` bars; the last one is for the last point. */
static void add_points(struct buffer *to, const struct history *history, const char *title,
                       size_t slots, bool without_bots)
{
    size_t skip = history->size > slots ? history->size - slots : 0, size = history->size - skip;
    const struct history_point *points = history->points + skip;
    struct bar *bars = calloc(size + 1, sizeof(*bars)), sum = {0};
    struct buffer columns = {0};
    int64_t highest;

    if (bars == NULL)
        abort();
    for (size_t i = 0; i < size; ++i) {
        bars[i] = bar_of(&points[i], without_bots);
        add_to(&sum, bars[i]);
    }
    highest = highest_of(bars, size);
    begin_chart(to, "days", title);
    add_hits(to, sum, without_bots);
    end_caption(to);
    begin_svg(to, slots);
    add_all_bars(to, bars, size, slots - size, highest);
    end_svg(to, size != 0 ? points[0].time : "", size != 0 ? points[size - 1].time : "");
    add_point_columns(&columns, history, without_bots);
    buffer_add(&columns, "", 1);
    begin_table(to, "days", columns.bytes);
    for (size_t i = 0; i < size; ++i)
        add_point_row(to, &points[i], without_bots);
    end_chart(to);
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

/* The hours of two days. */
struct two_days {
    struct bar today[HOURS], yesterday[HOURS];
    unsigned hour; /* of now */
    bool has_yesterday;
    struct bar today_sum, yesterday_sum, so_far; /* so_far: yesterday up to this hour */
};

static void split(struct two_days *days, const struct history *hours, bool without_bots)
{
    const struct history_point *last;

    *days = (struct two_days){0};
    if (hours->size == 0)
        return;
    last = &hours->points[hours->size - 1];
    days->hour = history_hour(last);
    for (size_t i = 0; i < hours->size; ++i) {
        const struct history_point *point = &hours->points[i];
        struct bar bar = bar_of(point, without_bots);
        unsigned hour = history_hour(point);
        if (memcmp(point->time, last->time, 10) == 0) {
            add_to(&days->today[hour], bar);
            add_to(&days->today_sum, bar);
            continue;
        }
        days->has_yesterday = true;
        add_to(&days->yesterday[hour], bar);
        add_to(&days->yesterday_sum, bar);
        if (hour <= days->hour)
            add_to(&days->so_far, bar);
    }
}

static void add_hours_rows(struct buffer *to, const struct two_days *days, bool without_bots)
{
    begin_table(to, "hours",
                without_bots ? "<th scope=\"col\">Hour</th><th scope=\"col\">Today</th>"
                               "<th scope=\"col\">Yesterday</th>"
                             : "<th scope=\"col\">Hour</th><th scope=\"col\">Today</th>"
                               "<th scope=\"col\">By bots</th><th scope=\"col\">Yesterday</th>");
    for (unsigned hour = 0; hour < HOURS; ++hour) {
        char name[16];
        snprintf(name, sizeof(name), "%02u:00", hour);
        begin_row(to, name, 5);
        if (hour <= days->hour) {
            add_cell(to, days->today[hour].hits);
            if (!without_bots)
                add_cell(to, days->today[hour].bots);
        } else {
            buffer_add_string(to, without_bots ? "<td>–</td>" : "<td>–</td><td>–</td>");
        }
        if (days->has_yesterday)
            add_cell(to, days->yesterday[hour].hits);
        else
            buffer_add_literal(to, "<td>–</td>");
        buffer_add_literal(to, "</tr>\n");
    }
    end_chart(to);
}

void chart_add_hours(struct buffer *to, const struct history *hours, bool without_bots)
{
    struct two_days days;
    int64_t highest, highest_before;

    split(&days, hours, without_bots);
    highest = highest_of(days.today, HOURS);
    highest_before = highest_of(days.yesterday, HOURS);
    if (highest_before > highest)
        highest = highest_before;
    begin_chart(to, "hours", days.has_yesterday ? "Today and yesterday" : "Today");
    add_hits(to, days.today_sum, without_bots);
    if (days.has_yesterday) {
        buffer_add_literal(to, "; <span class=\"before\">yesterday</span> ");
        html_add_number(to, days.so_far.hits);
        buffer_add_literal(to, " by this hour, ");
        html_add_number(to, days.yesterday_sum.hits);
        buffer_add_literal(to, " in all");
    }
    end_caption(to);
    begin_svg(to, HOURS);
    add_all_bars(to, days.today, HOURS, 0, highest);
    if (days.has_yesterday)
        add_steps(to, days.yesterday, HOURS, highest);
    end_svg(to, "00:00", "24:00");
    add_hours_rows(to, &days, without_bots);
}

void chart_add_table(struct buffer *to, const struct history *history, bool without_bots)
{
    buffer_add_literal(to, "<table class=\"data\" aria-labelledby=\"history\">\n<thead><tr>");
    add_point_columns(to, history, without_bots);
    buffer_add_literal(to, "</tr></thead>\n<tbody>\n");
    for (size_t i = history->size; i > 0; --i)
        add_point_row(to, &history->points[i - 1], without_bots);
    buffer_add_literal(to, "</tbody>\n</table>\n");
}
