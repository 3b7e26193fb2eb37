#include "render-svc/html/path_page.h"

#include "render-svc/html/chart.h"
#include "render-svc/html/frame.h"
#include "render-svc/html/html.h"
#include "render-svc/html/link.h"

/* A longer path is ellipsed in the heading. The page shows it completely further down. */
#define WHOLE_BYTES 240

static const char *const PERIODS[VIEW_N_PERIODS] = {
    [VIEW_TODAY] = "Today",
    [VIEW_24_HOURS] = "Last 24 hours",
    [VIEW_7_DAYS] = "Last 7 days",
    [VIEW_30_DAYS] = "Last 30 days",
};

static void add_rank(struct buffer *to, int64_t rank)
{
    if (rank != 0)
        html_add(to, "<div><dt>Rank</dt><dd>%'jd</dd></div>\n", rank);
    else
        buffer_add_literal(to, "<div><dt>Rank</dt><dd>beyond 10,000</dd></div>\n");
}

/* Appends a time as people read it, to the second: 2026-11-23 22:15:00 UTC. `time` is RFC 3339, or
 * "". */
static void add_time(struct buffer *to, const char *title, const char *time)
{
    if (*time == '\0')
        html_add(to, "<div><dt>%s</dt><dd>not known</dd></div>\n", title);
    else
        html_add(to, "<div><dt>%s</dt><dd><time datetime=\"%s\">%.*s %.*s UTC</time></dd></div>\n",
                 title, time, 10, time, 8, time + 11);
}

static void add_hits(struct buffer *to, const char *title, int64_t hits)
{
    html_add(to, "<div><dt>%s</dt><dd>%'jd</dd></div>\n", title, hits);
}

static void add_numbers(struct buffer *to, const struct path_detail *detail, const char *path)
{
    buffer_add_literal(to, "<dl>\n");
    add_rank(to, detail->rank);
    add_time(to, "First hit", detail->first);
    add_time(to, "Last hit", detail->last);
    add_hits(to, "Hits by bots", detail->bots);
    for (int period = VIEW_TODAY; period < VIEW_N_PERIODS; ++period)
        if (detail->periods[period].hits >= 0)
            add_hits(to, PERIODS[period], detail->periods[period].hits);
    html_add(to,
             "<div><dt>Badge</dt><dd><a href=\"%s" LINK_BADGE "%s.svg\">"
             "<img src=\"%s" LINK_BADGE "%s.svg\" alt=\"the count as an image\" height=\"20\"></a>"
             "</dd></div>\n</dl>\n",
             link_base.at, path, link_base.at, path);
}

/* Appends links to the history, if one is kept, and to the same numbers in other formats. */
static void add_exports(struct buffer *to, const struct path_detail *detail, const char *path)
{
    bool is_ambiguous = link_ends_with_history(detail->path, detail->path_len);
    const char *query = is_ambiguous ? LINK_ABOUT_PATH "&" : "?";
    bool has_days = detail->periods[VIEW_30_DAYS].hits >= 0;

    buffer_add_literal(to, "<p class=\"note\">");
    if (has_days || detail->periods[VIEW_24_HOURS].hits >= 0)
        html_add(to, "<a href=\"%s" LINK_PATHS "%s" LINK_HISTORY_SUFFIX "%s\">History</a>\n",
                 link_base.at, path, has_days ? "" : "?unit=hour");
    html_add(to,
             "Export <a href=\"%s" LINK_PATHS "%s%sformat=json\">JSON</a>\n"
             "<a href=\"%s" LINK_PATHS "%s%sformat=csv\">CSV</a>\n</p>\n",
             link_base.at, path, query, link_base.at, path, query);
}

/* Appends that nothing was counted, and how to count. */
static void add_uncounted(struct buffer *to, const struct path_page *page, const char *path)
{
    if (page->is_visit && page->is_bot)
        buffer_add_literal(to,
                           "<p>This visit is not counted, because its <code>User-Agent</code> is a "
                           "bot's.</p>\n");
    else if (page->is_visit)
        html_add(to,
                 "<p>This visit is not counted, because this browser is excluded. "
                 "<a href=\"%s" LINK_ME "\">Change that</a>.</p>\n",
                 link_base.at);
    else
        html_add(to,
                 "<p>Opening this page counted nothing. <a href=\"%s%s%s\">Visit the path</a> to "
                 "count a hit.</p>\n",
                 link_base.at, path[1] == '/' ? "/." : "", /* // would lead to another host */
                 path);
}

void path_page_add(struct buffer *to, const struct path_page *page)
{
    const struct path_detail *detail = page->detail;
    struct buffer encoded = {0};
    const char *path; /* as it stands in addresses */

    link_add_path(&encoded, detail->path, detail->path_len);
    buffer_add(&encoded, "", 1);
    path = encoded.bytes;
    frame_begin(to, "One path – Path Count", NULL);
    html_add(to, "<div class=\"one\">\n<div class=\"own\"><h1><small>%s</small> <a ",
             page->is_visit ? "You visited" : "Looking at");
    (void)html_add_path_link(to, detail->path, detail->path_len, WHOLE_BYTES);
    html_add(to,
             "</h1>\n<p class=\"count\"><strong>%'jd</strong> <span>%s</span></p></div>\n"
             "<p id=\"since\" class=\"note\" hidden></p>\n",
             detail->count, detail->count == 1 ? "hit" : "hits");
    if (detail->count != 0)
        add_numbers(to, detail, path);
    add_uncounted(to, page, path);
    if (detail->count != 0) {
        chart_add_page(to, page->days, page->hours, false);
        add_exports(to, detail, path);
    }
    if (detail->path_len > WHOLE_BYTES) {
        buffer_add_literal(to, "<h2>The whole path</h2>\n<p class=\"path\">");
        html_add_path(to, detail->path, detail->path_len);
        buffer_add_literal(to, "</p>\n");
    }
    buffer_add_literal(to, "</div>\n");
    frame_end(to);
    buffer_free(&encoded);
}
