/* Charts of hits over time, as SVG in a page: a bar for each of the last 30 days, or a bar for each
 * hour of today with a line for yesterday. A hidden table behind each chart has the same numbers,
 * for screen readers and for the page's script, which shows the numbers of the bar under the
 * pointer. Any thread.
 *
 * `without_bots`: the charts show only hits by people. Otherwise they show all hits, with those by
 * bots in a colour of their own.
 */
#ifndef RENDER_HTML_CHART_H
#define RENDER_HTML_CHART_H

#include "base/buffer.h"
#include "proto/history.h"

#include <stdbool.h>

/* Appends the chart of the last 30 days. The history may have fewer. */
void chart_add_days(struct buffer *to, const struct history *days, bool without_bots);

/* Appends the chart of today's hours, with yesterday's as far as the history has them. */
void chart_add_hours(struct buffer *to, const struct history *hours, bool without_bots);

/* Appends the charts of a page, and when history begins. Either history may be NULL: it has no
 * chart. */
void chart_add_page(struct buffer *to, const struct history *days, const struct history *hours,
                    bool without_bots);

/* Appends a visible table of a history, the newest first. The element with the id `history` is its
 * name. */
void chart_add_table(struct buffer *to, const struct history *history, bool without_bots);

/* Appends a chart of a history of any length: a bar for each point. */
void chart_add_all(struct buffer *to, const struct history *history, bool without_bots);

/* Appends a note: when the history begins, and its time zone. */
void chart_add_beginning(struct buffer *to, const struct history *history);

#endif
