/* Charts of hits over time, as SVG in a page: a bar for each of the last 30 days, or for each hour of today beside a
 * line for yesterday. The same numbers stand behind each as a table, which is for screen readers and for the page's
 * script; it shows the numbers of the bar under the pointer. Any thread.
 */
#ifndef RENDER_HTML_CHART_H
#define RENDER_HTML_CHART_H

#include "base/buffer.h"
#include "proto/history.h"

#include <stdbool.h>

/* Appends the chart of the last days, of which the history may have fewer than 30. `without_bots`: only people's
 * hits are shown, otherwise all, and those of bots in another colour. */
void chart_add_days(struct buffer *to, const struct history *days, bool without_bots);

/* Appends the chart of today's hours, and of yesterday's as far as the history has them. */
void chart_add_hours(struct buffer *to, const struct history *hours, bool without_bots);

/* Appends the charts of a page, and when history begins. Either history may be NULL: it has no chart. */
void chart_add_page(struct buffer *to, const struct history *days, const struct history *hours,
                    bool without_bots);

/* Appends a table of a history that is seen, the newest first. It is named by the element with the id `history`. */
void chart_add_table(struct buffer *to, const struct history *history, bool without_bots);

/* Appends a chart of any history: a bar for each point. */
void chart_add_all(struct buffer *to, const struct history *history, bool without_bots);

/* Appends when the history begins and its time zone, as a note. */
void chart_add_beginning(struct buffer *to, const struct history *history);

#endif
