/* The parts of a chart, for chart.c. No other file includes it.
 *
 *     chart_begin                        the heading
 *     chart_add_hits, chart_end_caption  the line below it
 *     chart_begin_svg                    the scale
 *     chart_add_bars
 *     chart_end_svg                      the times at both ends
 *     chart_begin_table                  the hidden table
 *     chart_add_cell
 *     chart_end
 */
#ifndef RENDER_HTML_CHART_PRIVATE_H
#define RENDER_HTML_CHART_PRIVATE_H

#include "base/buffer.h"
#include "proto/history.h"

#include <stdbool.h>

/* The width of a bar's slot, and the height of the SVG, in its units. The page stretches the SVG to
 * its own width. */
#define CHART_SLOT   10
#define CHART_HEIGHT 100

/* --- numbers --- */

/* A bar, or a row of a table. */
struct bar {
    int64_t hits;
    int64_t bots; /* of the hits; 0 without bots */
};

/* Returns the bar of a point. */
struct bar chart_bar_of(const struct history_point *point, bool without_bots);

/* Returns a + b, at most INT64_MAX. */
int64_t chart_plus(int64_t a, int64_t b);

/* Adds a bar to a sum. */
void chart_add_to(struct bar *sum, struct bar bar);

/* Returns the hits of the highest bar; 0 if there is none. */
int64_t chart_highest(const struct bar *bars, size_t size);

/* --- the SVG --- */

/* Returns the height of a bar, in units of the SVG. A bar of at least one hit is visible. */
double chart_height(int64_t hits, int64_t highest);

/* Begins the SVG, below the hits of the highest bar. */
void chart_begin_svg(struct buffer *to, size_t slots, int64_t highest);

/* Appends the bars, the first one in the slot `from`. */
void chart_add_bars(struct buffer *to, const struct bar *bars, size_t size, size_t from,
                    int64_t highest);

/* Ends the SVG. Below its ends are two times, or one if they are the same. */
void chart_end_svg(struct buffer *to, const char *first, const char *last);

/* --- texts --- */

/* Begins a chart with a heading of this id. A line of text follows, up to chart_end_caption. */
void chart_begin(struct buffer *to, const char *id, const char *title);
void chart_end_caption(struct buffer *to);

/* Appends a number of hits, and how many of them are by bots. */
void chart_add_hits(struct buffer *to, struct bar bar, bool without_bots);

/* Appends a time for people: 2026-10-25 02:00 +02:00, or the day alone. */
void chart_add_time(struct buffer *to, const char *time, size_t len);

/* --- the table --- */

/* Begins the hidden table of the chart with this id. `columns` is HTML. */
void chart_begin_table(struct buffer *to, const char *id, const char *columns);

/* Appends a cell with a number. */
void chart_add_cell(struct buffer *to, int64_t number);

/* Ends the table and the chart. */
void chart_end(struct buffer *to);

#endif
