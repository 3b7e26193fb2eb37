#include "render-svc/html/chart.h"

#include "base/memory.h"
#include "render-svc/html/html.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* In units of the SVG, which is stretched to the width of the page: a slot for each bar, and the
 * bar in it. */
#define SLOT   10
#define BAR    8
#define HEIGHT 100

#define DAYS  30
#define HOURS 24
#define DAY_S 86400

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
    int64_t highest = 0;

    for (size_t i = 0; i < size; ++i)
        if (bars[i].hits > highest)
            highest = bars[i].hits;
    return highest;
}

/* --- shapes --- */

/* The height of a bar, in units of the SVG. A bar of at least one hit is visible. */
static double height_of(int64_t number, int64_t highest)
{
    double height = highest != 0 ? (double)number / (double)highest * HEIGHT : 0;

    return number != 0 && height < 2 ? 2 : height;
}

/* Begins the SVG, below the number of the highest bar. */
static void begin_svg(struct buffer *to, size_t slots, int64_t highest)
{
    if (highest != 0)
        html_add(to, "<p class=\"scale\" aria-hidden=\"true\">%'jd %s</p>\n", highest,
                 highest == 1 ? "hit" : "hits");
    html_add(to, "<svg viewBox=\"0 0 %zu %d\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\n",
             slots * SLOT, HEIGHT);
}

/* Appends one shape for all bars: their lower parts, for hits by people, or their upper parts, for
 * hits by bots. */
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
            html_add(to, "M%zu %.4gV%.4gh%dV%.4gz", (from + i) * SLOT + (SLOT - BAR) / 2,
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

/* --- title, scale and dates --- */

static void add_hits(struct buffer *to, struct bar bar, bool without_bots)
{
    html_add(to, "%'jd %s%s", bar.hits, bar.hits == 1 ? "hit" : "hits",
             without_bots ? " by people" : "");
    if (bar.bots != 0)
        html_add(to, ", %'jd <span class=\"bots\">by bots</span>", bar.bots);
}

/* Begins a chart with a heading of this id. A line of text follows, up to end_caption. */
static void begin_chart(struct buffer *to, const char *id, const char *title)
{
    html_add(to,
             "<figure class=\"chart\" aria-labelledby=\"%s\">\n"
             "<figcaption><h2 id=\"%s\">%s</h2>\n<p class=\"note\">",
             id, id, title);
}

static void end_caption(struct buffer *to)
{
    buffer_add_literal(to, "</p></figcaption>\n");
}

/* Appends a time as people read it: 2026-10-25 02:00 +02:00, or the day alone. */
static void add_time(struct buffer *to, const char *time, size_t len)
{
    const char *zone = time + 19;

    html_add(to, "%.*s", len < 10 ? (int)len : 10, time);
    if (len >= 25)
        html_add(to, " %.*s %.*s", 5, time + 11, memcmp(zone, "+00:00", 6) == 0 ? 3 : 6,
                 memcmp(zone, "+00:00", 6) == 0 ? "UTC" : zone);
}

#define SVG_END  "</svg>\n<p class=\"axis\" aria-hidden=\"true\"><span>"
#define AXIS_END "</span></p>\n"

/* Ends the SVG with the times at its ends. */
static void end_svg(struct buffer *to, const char *first, const char *last)
{
    buffer_add_literal(to, SVG_END);
    add_time(to, first, strlen(first));
    if (strcmp(first, last) != 0) {
        buffer_add_literal(to, "</span><span>");
        add_time(to, last, strlen(last));
    }
    buffer_add_literal(to, AXIS_END);
}

/* Begins the table behind a chart. `columns` is HTML. */
static void begin_table(struct buffer *to, const char *id, const char *columns)
{
    html_add(to, "<div class=\"unseen\"><table class=\"data\" aria-labelledby=\"%s\">\n<thead><tr>",
             id);
    buffer_add_string(to, columns);
    buffer_add_literal(to, "</tr></thead>\n<tbody>\n");
}

static void end_chart(struct buffer *to)
{
    buffer_add_literal(to, "</tbody>\n</table></div>\n</figure>\n");
}

static void add_cell(struct buffer *to, int64_t number)
{
    html_add(to, "<td>%'jd</td>", number);
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
    html_add(to, "<p class=\"note\">History begins <time datetime=\"%s\">", history->begins);
    add_time(to, history->begins, strlen(history->begins));
    html_add(to, "</time>. Hours and days are in the time zone %s.</p>\n", history->zone);
}

/* --- the charts --- */

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
        bars[i] = bar_of(&points[i], without_bots);
        add_to(&sum, bars[i]);
    }
    highest = highest_of(bars, size);
    begin_chart(to, "days", title);
    add_hits(to, sum, without_bots);
    end_caption(to);
    begin_svg(to, slots, highest);
    add_all_bars(to, bars, size, slots - size, highest);
    find_first(first, history, skip, slots - size);
    end_svg(to, first, size != 0 ? points[size - 1].time : "");
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
    add_to(&day->hours[hour], bar);
    add_to(&day->sum, bar);
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
        struct bar bar = bar_of(point, without_bots);
        unsigned hour = history_hour(point);
        if (memcmp(point->time, last->time, 10) == 0) {
            add_to_day(&days->today, hour, bar);
            continue;
        }
        days->has_yesterday = true;
        add_to_day(&days->yesterday, hour, bar);
        if (hour <= history_hour(last)) {
            days->has_so_far = true;
            days->so_far = plus(days->so_far, bar.hits);
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
                     hour * SLOT, HEIGHT - height_of(day->hours[hour].hits, highest),
                     (hour + 1) * SLOT);
    buffer_add_literal(to, "\"/>\n");
}

/* Appends the cell of an hour; `number` is of its hits. */
static void add_hour_cell(struct buffer *to, const struct day *day, unsigned hour, int64_t number)
{
    if (day->is_known[hour])
        add_cell(to, number);
    else
        buffer_add_literal(to, "<td>–</td>");
}

static void add_hours_rows(struct buffer *to, const struct two_days *days, bool without_bots)
{
    begin_table(to, "hours",
                without_bots ? "<th scope=\"col\">Hour</th><th scope=\"col\">Today</th>"
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
    end_chart(to);
}

/* Appends the sums of both days. */
static void add_sums(struct buffer *to, const struct two_days *days, bool without_bots)
{
    add_hits(to, days->today.sum, without_bots);
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
    highest = highest_of(days.today.hours, HOURS);
    highest_before = highest_of(days.yesterday.hours, HOURS);
    if (highest_before > highest)
        highest = highest_before;
    begin_chart(to, "hours", days.has_yesterday ? "Today and yesterday" : "Today");
    add_sums(to, &days, without_bots);
    end_caption(to);
    begin_svg(to, HOURS, highest);
    add_all_bars(to, days.today.hours, HOURS, 0, highest);
    if (days.has_yesterday)
        add_steps(to, &days.yesterday, highest);
    buffer_add_literal(to, SVG_END "00:00</span><span>24:00" AXIS_END);
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
