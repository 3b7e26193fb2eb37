/* A history that render-svc reads from counter-svc. An accepted one is consistent, and the charts and
 * tables made from it are well-formed for any numbers. */
#include "proto/path.h"
#include "render-svc/html/chart.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static void check_points(const struct history *history)
{
    size_t time_len = history->by_hour ? 25 : 10;

    MUST(history->size <= HISTORY_MAX_POINTS);
    MUST(strlen(history->begins) == 25 && utf8_is_valid(history->zone, strlen(history->zone)));
    for (size_t i = 0; i < history->size; ++i) {
        const struct history_point *point = &history->points[i];
        MUST(point->time_len == time_len && strlen(point->time) == time_len);
        MUST(point->bots >= 0 && point->bots <= point->hits);
        MUST(!history->by_hour || history_hour(point) < 24);
    }
}

/* Every quote and bracket of the input is escaped, so all tags and attributes are closed. */
static void check_markup(struct buffer *html)
{
    bool in_tag = false, in_value = false;

    MUST(utf8_is_valid(html->bytes, html->len));
    for (size_t i = 0; i < html->len; ++i) {
        char c = html->bytes[i];
        if (c == '"' && in_tag) {
            in_value = !in_value;
        } else if (c == '<') {
            MUST(!in_tag);
            in_tag = true;
        } else if (c == '>') {
            MUST(in_tag && !in_value);
            in_tag = false;
        }
    }
    MUST(!in_tag);
    MUST(memmem(html->bytes, html->len, "nan", 3) == NULL);
    MUST(memmem(html->bytes, html->len, "inf", 3) == NULL);
    buffer_free(html);
}

static void check_charts(const struct history *history, bool without_bots)
{
    struct buffer html = {0};

    if (history->by_hour)
        chart_add_hours(&html, history, without_bots);
    else
        chart_add_days(&html, history, without_bots);
    chart_add_all(&html, history, without_bots);
    chart_add_table(&html, history, without_bots);
    check_markup(&html);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct history history;
    struct buffer html = {0};
    const char *error = NULL;

    if (history_decode((const char *)data, size, &history, &error) != 0) {
        MUST(error != NULL);
        return 0;
    }
    check_points(&history);
    check_charts(&history, false);
    check_charts(&history, true);
    chart_add_beginning(&html, &history);
    MUST(utf8_is_valid(html.bytes, html.len));
    buffer_free(&html);
    history_free(&history);
    return 0;
}
