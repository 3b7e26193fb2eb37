#include "render-svc/html/paths_page.h"

#include "render-svc/html/chart.h"
#include "render-svc/html/frame.h"
#include "render-svc/html/html.h"
#include "render-svc/html/link.h"

/* Returns whether nothing was counted yet, so that search and export are useless. (The totals may
 * be a second old.) */
static bool is_empty(const struct paths_page *page)
{
    return page->rows->size == 0 && page->rows->totals.hits == 0 &&
           !page->controls.view->has_prefix && page->controls.view->period == VIEW_ALL_TIME &&
           !page->controls.view->without_bots;
}

/* Appends the text of a page before anything was counted. */
static void add_welcome(struct buffer *to)
{
    html_add(to,
             "<div class=\"one\">\n<h2 id=\"rows\">Nothing is counted yet</h2>\n"
             "<p>A path is counted each time it is opened. Any path will do:</p>\n"
             "<p><a class=\"button\" href=\"%s/hello\">Count the first hit of /hello</a></p>\n"
             "<p>Programs send the same <code>GET</code>; <a href=\"%s" LINK_ABOUT
             "\">the API</a> shows how, and what else is available.</p>\n</div>\n",
             link_base.at, link_base.at);
}

static void add_notice(struct buffer *to, const char *title, const char *text)
{
    html_add(to,
             "<div class=\"one\">\n<h2 id=\"rows\">%s</h2>\n"
             "<p>%s<a href=\"%s" LINK_PATHS "\">See all paths</a>.</p>\n</div>\n",
             title, text, link_base.at);
}

/* Appends the reason why there are no rows. */
static void add_nothing(struct buffer *to, const struct paths_page *page)
{
    const struct view *view = page->controls.view;

    if (is_empty(page))
        add_welcome(to);
    else if (view->has_after)
        add_notice(to, "No more paths", "");
    else if (view->period != VIEW_ALL_TIME)
        add_notice(to, "No hits in this period",
                   view->has_prefix ? "No path with this prefix was counted. " : "");
    else if (view->without_bots)
        add_notice(to, "No hits by people", "");
    else
        add_notice(to, "No path has this prefix", "Paths are compared byte by byte. ");
}

/* The titles of the pages of periods. */
static const char *const PERIOD_TITLES[VIEW_N_PERIODS] = {
    [VIEW_ALL_TIME] = "All paths",     [VIEW_TODAY] = "Today",
    [VIEW_24_HOURS] = "Last 24 hours", [VIEW_7_DAYS] = "Last 7 days",
    [VIEW_30_DAYS] = "Last 30 days",
};

/* The texts of the links to periods. */
static const char *const PERIOD_LINKS[VIEW_N_PERIODS] = {
    [VIEW_ALL_TIME] = "All",  [VIEW_TODAY] = "Today",     [VIEW_24_HOURS] = "24 hours",
    [VIEW_7_DAYS] = "7 days", [VIEW_30_DAYS] = "30 days",
};

/* Appends a link to the same rows in another period, or with or without bots; from the first on. */
static void add_view_link(struct buffer *to, const struct view *view, const char *text,
                          bool is_here)
{
    struct link link = {.view = view, .with_limit = view->limit != VIEW_DEFAULT_ROWS};
    struct buffer address = {0};

    html_add(to,
             is_here ? "<a href=\"%s\" aria-current=\"true\">%s</a>\n" : "<a href=\"%s\">%s</a>\n",
             link_text(&address, LINK_PATHS, &link), text);
    buffer_free(&address);
}

/* Appends links to the periods that are kept, if any. */
static void add_periods(struct buffer *to, const struct paths_page *page)
{
    const struct view *view = page->controls.view;
    struct view other = *view;

    if (page->controls.has_no_days && page->controls.has_no_hours)
        return;
    buffer_add_literal(to, "<nav class=\"periods\" aria-label=\"Period\">\n");
    for (int period = 0; period < VIEW_N_PERIODS; ++period) {
        if (period != VIEW_ALL_TIME &&
            (period == VIEW_24_HOURS ? page->controls.has_no_hours : page->controls.has_no_days))
            continue;
        other.period = (enum view_period)period;
        add_view_link(to, &other, PERIOD_LINKS[period], period == (int)view->period);
    }
    buffer_add_literal(to, "</nav>\n");
}

/* Appends a link to the rows without bots or with them, after a text that may be empty. */
static void add_bots_link(struct buffer *to, const struct view *view, const char *text)
{
    struct view other = *view;

    other.without_bots = !view->without_bots;
    buffer_add_string(to, text);
    add_view_link(to, &other, view->without_bots ? "Show bots" : "Leave bots out", false);
    buffer_add_literal(to, "</p>\n");
}

/* Appends how many of the hits are by bots, and a link to the rows without them or with them. */
static void add_bots(struct buffer *to, const struct view *view, int64_t bots)
{
    html_add(to, "<p class=\"note\">%'jd", bots);
    add_bots_link(to, view,
                  !view->without_bots ? " of them by bots. "
                  : bots == 1         ? " hit by bots is left out. "
                                      : " hits by bots are left out. ");
}

/* Appends when a period began: `begins` is a date, or a time of RFC 3339. */
static void add_since(struct buffer *to, const char *begins, size_t len)
{
    html_add(to, " since <time datetime=\"%.*s\">%.*s", (int)len, begins, len < 10 ? (int)len : 10,
             begins);
    if (len >= 16)
        html_add(to, " %.*s", 5, begins + 11);
    buffer_add_literal(to, "</time>");
}

/* Appends the hits of a period or without bots, in large figures. */
static void add_part(struct buffer *to, const struct view *view, const struct rows *rows)
{
    const struct period_hits *period = &rows->period;
    bool is_period = view->period != VIEW_ALL_TIME;
    int64_t hits = is_period ? period->hits : rows->totals.hits;
    int64_t bots = is_period ? period->bots : rows->totals.bots;
    int64_t shown = view->without_bots ? hits - bots : hits;

    html_add(to,
             "<div class=\"own\"><h1>%s</h1>\n<p class=\"count\"><strong>%'jd</strong> <span>%s%s",
             PERIOD_TITLES[view->period], shown, shown == 1 ? "hit" : "hits",
             view->without_bots ? " by people" : "");
    if (period->begins != NULL)
        add_since(to, period->begins, period->begins_len);
    buffer_add_literal(to, "</span></p></div>\n");
    add_bots(to, view, bots);
}

/* Appends the prefix, without its number of hits, which is not known. */
static void add_prefix(struct buffer *to, const struct view *view, const struct totals *totals)
{
    buffer_add_literal(to, "<div><h1><small>Paths that begin with</small> <span class=\"path\">");
    html_add_path(to, view->prefix, view->prefix_len);
    buffer_add_literal(to, "</span></h1>\n<p class=\"totals\">of ");
    path_table_add_totals(to, totals);
    buffer_add_literal(to, "</p></div>\n");
    if (view->without_bots || totals->bots != 0) {
        buffer_add_literal(to, "<p class=\"note\">");
        add_bots_link(to, view, view->without_bots ? "Hits by bots are left out. " : "");
    }
}

/* Appends the hits of all paths, in large figures. */
static void add_all(struct buffer *to, const struct view *view, const struct totals *totals)
{
    html_add(to,
             "<div class=\"own\"><h1>All paths</h1>\n<p class=\"count\"><strong>%'jd</strong> "
             "<span>%s on %'jd %s</span></p></div>\n<p id=\"since\" class=\"note\" hidden></p>\n",
             totals->hits, totals->hits == 1 ? "hit" : "hits", totals->paths,
             totals->paths == 1 ? "path" : "paths");
    if (totals->bots != 0)
        add_bots(to, view, totals->bots);
}

/* Appends which part of the counts the page shows. */
static void add_heading(struct buffer *to, const struct view *view, const struct rows *rows)
{
    if (view->has_prefix)
        add_prefix(to, view, &rows->totals);
    else if (view->period != VIEW_ALL_TIME || view->without_bots)
        add_part(to, view, rows);
    else
        add_all(to, view, &rows->totals);
}

static const char *title_of_rows(const struct view *view)
{
    if (view->order == VIEW_BY_PATH)
        return "<h2 id=\"rows\">In order of paths</h2>\n";
    if (view->has_after)
        return "<h2 id=\"rows\">Lower counts</h2>\n";
    return "<h2 id=\"rows\">Highest counts</h2>\n";
}

void paths_page_add(struct buffer *to, const struct paths_page *page)
{
    const struct rows *rows = page->rows;
    int64_t highest = path_table_highest(rows);
    bool by_path = page->controls.view->order == VIEW_BY_PATH,
         top = !page->controls.view->has_after;

    frame_begin(to, "Paths – Path Count", LINK_PATHS);
    buffer_add_literal(to, "<div class=\"side\">\n");
    add_heading(to, page->controls.view, rows);
    if (!is_empty(page)) {
        add_periods(to, page);
        path_table_add_controls(to, &page->controls);
        chart_add_page(to, page->days, page->hours, page->controls.view->without_bots);
    }
    buffer_add_literal(to, "</div>\n<section aria-labelledby=\"rows\">\n");
    if (rows->size == 0) {
        add_nothing(to, page);
    } else {
        buffer_add_string(to, title_of_rows(page->controls.view));
        path_table_begin(to, page->controls.view, !by_path && top);
        for (size_t i = 0; i < rows->size; ++i) {
            const struct row *row = &rows->rows[i];
            buffer_add_literal(to, PATH_TABLE_ROW);
            (void)path_table_add_row(to, row->path, row->path_len, row->count, highest);
        }
        buffer_add_literal(to, "</tbody>\n</table>\n");
    }
    path_table_add_pager(to, page->first, page->previous, page->next);
    buffer_add_literal(to, "</section>\n");
    frame_end(to);
}
