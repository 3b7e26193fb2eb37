/* The parts of a chart: the numbers, the SVG, the texts around it, the table behind it. */
#include "render-svc/html/chart_private.h"

#include "render-svc/html/html.h"

#include <string.h>

/* The width of a bar in its slot, in units of the SVG. */
#define BAR 8

/* --- numbers --- */

struct bar chart_bar_of(const struct history_point *point, bool without_bots)
{
    return without_bots ? (struct bar){point->hits - point->bots, 0}
                        : (struct bar){point->hits, point->bots};
}

int64_t chart_plus(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

void chart_add_to(struct bar *sum, struct bar bar)
{
    sum->hits = chart_plus(sum->hits, bar.hits);
    sum->bots = chart_plus(sum->bots, bar.bots);
}

int64_t chart_highest(const struct bar *bars, size_t size)
{
    int64_t highest = 0;

    for (size_t i = 0; i < size; ++i)
        if (bars[i].hits > highest)
            highest = bars[i].hits;
    return highest;
}

/* --- shapes --- */

double chart_height(int64_t hits, int64_t highest)
{
    double height = highest != 0 ? (double)hits / (double)highest * CHART_HEIGHT : 0;

    return hits != 0 && height < 2 ? 2 : height;
}

void chart_begin_svg(struct buffer *to, size_t slots, int64_t highest)
{
    if (highest != 0)
        html_add(to, "<p class=\"scale\" aria-hidden=\"true\">%'jd %s</p>\n", highest,
                 highest == 1 ? "hit" : "hits");
    html_add(to, "<svg viewBox=\"0 0 %zu %d\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\n",
             slots * CHART_SLOT, CHART_HEIGHT);
}

/* Appends one shape for all bars: their lower parts for hits by people, or their upper parts for
 * hits by bots. */
static void add_shape(struct buffer *to, const struct bar *bars, size_t size, size_t from,
                      int64_t highest, bool of_bots)
{
    buffer_add_string(to, of_bots ? "<path class=\"bots\" d=\"" : "<path d=\"");
    for (size_t i = 0; i < size; ++i) {
        double all = chart_height(bars[i].hits, highest);
        double bots = bars[i].bots == bars[i].hits
                          ? all
                          : (double)bars[i].bots / (double)highest * CHART_HEIGHT;
        double top = of_bots ? all : all - bots, bottom = of_bots ? all - bots : 0;
        if (top - bottom > 0)
            html_add(to, "M%zu %.4gV%.4gh%dV%.4gz",
                     (from + i) * CHART_SLOT + (CHART_SLOT - BAR) / 2, CHART_HEIGHT - bottom,
                     CHART_HEIGHT - top, BAR, CHART_HEIGHT - bottom);
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

void chart_add_bars(struct buffer *to, const struct bar *bars, size_t size, size_t from,
                    int64_t highest)
{
    add_shape(to, bars, size, from, highest, false);
    if (has_bots(bars, size))
        add_shape(to, bars, size, from, highest, true);
}

/* --- texts --- */

void chart_add_hits(struct buffer *to, struct bar bar, bool without_bots)
{
    html_add(to, "%'jd %s%s", bar.hits, bar.hits == 1 ? "hit" : "hits",
             without_bots ? " by people" : "");
    if (bar.bots != 0)
        html_add(to, ", %'jd <span class=\"bots\">by bots</span>", bar.bots);
}

void chart_begin(struct buffer *to, const char *id, const char *title)
{
    html_add(to,
             "<figure class=\"chart\" aria-labelledby=\"%s\">\n"
             "<figcaption><h2 id=\"%s\">%s</h2>\n<p class=\"note\">",
             id, id, title);
}

void chart_end_caption(struct buffer *to)
{
    buffer_add_literal(to, "</p></figcaption>\n");
}

void chart_add_time(struct buffer *to, const char *time, size_t len)
{
    const char *zone = time + 19;

    html_add(to, "%.*s", len < 10 ? (int)len : 10, time);
    if (len >= 25)
        html_add(to, " %.*s %.*s", 5, time + 11, memcmp(zone, "+00:00", 6) == 0 ? 3 : 6,
                 memcmp(zone, "+00:00", 6) == 0 ? "UTC" : zone);
}

void chart_end_svg(struct buffer *to, const char *first, const char *last)
{
    buffer_add_literal(to, "</svg>\n<p class=\"axis\" aria-hidden=\"true\"><span>");
    chart_add_time(to, first, strlen(first));
    if (strcmp(first, last) != 0) {
        buffer_add_literal(to, "</span><span>");
        chart_add_time(to, last, strlen(last));
    }
    buffer_add_literal(to, "</span></p>\n");
}

/* --- the table --- */

void chart_begin_table(struct buffer *to, const char *id, const char *columns)
{
    html_add(to, "<div class=\"unseen\"><table class=\"data\" aria-labelledby=\"%s\">\n<thead><tr>",
             id);
    buffer_add_string(to, columns);
    buffer_add_literal(to, "</tr></thead>\n<tbody>\n");
}

void chart_end(struct buffer *to)
{
    buffer_add_literal(to, "</tbody>\n</table></div>\n</figure>\n");
}

void chart_add_cell(struct buffer *to, int64_t number)
{
    html_add(to, "<td>%'jd</td>", number);
}
