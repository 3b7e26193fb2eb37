#include "render-svc/html/path_page.h"

#include "render-svc/html/chart.h"
#include "render-svc/html/frame.h"
#include "render-svc/html/html.h"
#include "render-svc/html/link.h"

/* A longer path is a wall of text: it is whole further down its page. */
#define WHOLE_BYTES 240

static const char *const PERIODS[VIEW_N_PERIODS] = {
    [VIEW_TODAY] = "Today",
    [VIEW_24_HOURS] = "Last 24 hours",
    [VIEW_7_DAYS] = "Last 7 days",
    [VIEW_30_DAYS] = "Last 30 days",
};

static void add_rank(struct buffer *to, const struct path_detail *detail)
{
    buffer_add_literal(to, "<div><dt>Rank</dt><dd>");
    if (detail->rank != 0)
        html_add_number(to, detail->rank);
    else
        buffer_add_literal(to, "beyond 10,000");
    buffer_add_literal(to, "</dd></div>\n");
}

/* A time as people read it, to the second: 2026-11-23 22:15:00 UTC. */
static void add_time(struct buffer *to, const char *title, const char *time)
{
    buffer_add_literal(to, "<div><dt>");
    buffer_add_string(to, title);
    buffer_add_literal(to, "</dt><dd>");
    if (*time == '\0') {
        buffer_add_literal(to, "not known");
    } else {
        buffer_add_literal(to, "<time datetime=\"");
        buffer_add_string(to, time);
        buffer_add_literal(to, "\">");
        buffer_add(to, time, 10);
        buffer_add_literal(to, " ");
        buffer_add(to, time + 11, 8);
        buffer_add_literal(to, " UTC</time>");
    }
    buffer_add_literal(to, "</dd></div>\n");
}

static void add_term(struct buffer *to, const char *title, int64_t number)
{
    buffer_add_literal(to, "<div><dt>");
    buffer_add_string(to, title);
    buffer_add_literal(to, "</dt><dd>");
    html_add_number(to, number);
    buffer_add_literal(to, "</dd></div>\n");
}

/* An address about the path. It has no ampersand. */
static void add_address(struct buffer *to, const char *base, const struct path_detail *detail,
                        const char *suffix)
{
    link_add_own(to, base);
    link_add_path(to, detail->path, detail->path_len);
    buffer_add_string(to, suffix);
}

static void add_badge(struct buffer *to, const struct path_detail *detail)
{
    buffer_add_literal(to, "<div><dt>Badge</dt><dd><a href=\"");
    add_address(to, LINK_BADGE, detail, ".svg");
    buffer_add_literal(to, "\"><img src=\"");
    add_address(to, LINK_BADGE, detail, ".svg");
    buffer_add_literal(to, "\" alt=\"the count as an image\" height=\"20\"></a></dd></div>\n");
}

static void add_exports(struct buffer *to, const struct path_detail *detail)
{
    bool is_ambiguous = link_ends_with_history(detail->path, detail->path_len);
    bool has_days = detail->periods[VIEW_30_DAYS].hits >= 0;

    buffer_add_literal(to, "<p class=\"note\">");
    if (has_days || detail->periods[VIEW_24_HOURS].hits >= 0) {
        buffer_add_literal(to, "<a href=\"");
        add_address(to, LINK_PATHS, detail,
                    has_days ? LINK_HISTORY_SUFFIX : LINK_HISTORY_SUFFIX "?unit=hour");
        buffer_add_literal(to, "\">History</a>\n");
    }
    buffer_add_literal(to, "Export <a href=\"");
    add_address(to, LINK_PATHS, detail,
                is_ambiguous ? LINK_ABOUT_PATH "&amp;format=json" : "?format=json");
    buffer_add_literal(to, "\">JSON</a>\n<a href=\"");
    add_address(to, LINK_PATHS, detail,
                is_ambiguous ? LINK_ABOUT_PATH "&amp;format=csv" : "?format=csv");
    buffer_add_literal(to, "\">CSV</a>\n</p>\n");
}

/* Says that nothing was counted, and how to count. */
static void add_uncounted(struct buffer *to, const struct path_page *page)
{
    const struct path_detail *detail = page->detail;

    if (page->is_visit && page->is_bot) {
        buffer_add_literal(to,
                           "<p>This visit is not counted, because its <code>User-Agent</code> is "
                           "a bot's.</p>\n");
        return;
    }
    if (page->is_visit) {
        buffer_add_literal(to, "<p>This visit is not counted, because this browser is left out. "
                               "<a href=\"");
        link_add_own(to, LINK_ME);
        buffer_add_literal(to, "\">Change that</a>.</p>\n");
        return;
    }
    buffer_add_literal(to, "<p>This look counted nothing. <a href=\"");
    link_add_own(to, "");
    /* what begins with two slashes would lead to another host */
    if (detail->path_len > 1 && detail->path[1] == '/')
        buffer_add_literal(to, "/.");
    link_add_path(to, detail->path, detail->path_len);
    buffer_add_literal(to, "\">Visit the path</a>, and it is one hit more.</p>\n");
}

void path_page_add(struct buffer *to, const struct path_page *page)
{
    const struct path_detail *detail = page->detail;

    frame_begin(to, "One path – Path Count", NULL);
    buffer_add_string(to, page->is_visit ? "<div class=\"one\">\n<div class=\"own\">"
                                           "<h1><small>You visited</small> <a "
                                         : "<div class=\"one\">\n<div class=\"own\">"
                                           "<h1><small>Looking at</small> <a ");
    (void)html_add_path_link(to, detail->path, detail->path_len, WHOLE_BYTES);
    buffer_add_literal(to, "</h1>\n<p class=\"count\"><strong>");
    html_add_number(to, detail->count);
    buffer_add_string(to, detail->count == 1 ? "</strong> <span>hit</span></p></div>\n"
                                             : "</strong> <span>hits</span></p></div>\n");
    buffer_add_literal(to, "<p id=\"since\" class=\"note\" hidden></p>\n");
    if (detail->count != 0) {
        buffer_add_literal(to, "<dl>\n");
        add_rank(to, detail);
        add_time(to, "First hit", detail->first);
        add_time(to, "Last hit", detail->last);
        add_term(to, "Hits by bots", detail->bots);
        for (int period = VIEW_TODAY; period < VIEW_N_PERIODS; ++period)
            if (detail->periods[period].hits >= 0)
                add_term(to, PERIODS[period], detail->periods[period].hits);
        add_badge(to, detail);
        buffer_add_literal(to, "</dl>\n");
    }
    add_uncounted(to, page);
    if (detail->count != 0)
        chart_add_page(to, page->days, page->hours, false);
    if (detail->count != 0)
        add_exports(to, detail);
    if (detail->path_len > WHOLE_BYTES) {
        buffer_add_literal(to, "<h2>The whole path</h2>\n<p class=\"path\">");
        html_add_path(to, detail->path, detail->path_len);
        buffer_add_literal(to, "</p>\n");
    }
    buffer_add_literal(to, "</div>\n");
    frame_end(to);
}
