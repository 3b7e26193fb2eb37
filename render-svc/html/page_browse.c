#include "render-svc/html/page_browse.h"

#include "render-svc/html/chart.h"
#include "render-svc/html/page.h"
#include "render-svc/html/page_table.h"
#include "render-svc/html/page_text.h"

/* A longer path is a wall of text: it is whole further down its page. */
#define WHOLE_BYTES 240

/* --- the rows of a view --- */

/* Whether nothing was counted yet, so that there is nothing to search or export either. (The totals
 * may be a second old.) */
static bool is_empty(const struct page_rows *page)
{
    return page->rows->size == 0 && page->rows->totals.hits == 0 && !page->view->has_prefix &&
           page->view->period == VIEW_ALL_TIME && !page->view->without_bots;
}

/* Says what there is to see before anything was counted. */
static void add_welcome(struct buffer *to)
{
    buffer_add_literal(
        to, "<div class=\"one\">\n<h2 id=\"rows\">Nothing is counted yet</h2>\n"
            "<p>Every path is counted when it is opened, once each time. Any path will do:</p>\n"
            "<p><a class=\"button\" href=\"");
    link_add_own(to, "/hello");
    buffer_add_literal(to, "\">Count the first hit of /hello</a></p>\n"
                           "<p>From a program it is the same <code>GET</code>; <a href=\"");
    link_add_own(to, LINK_ABOUT);
    buffer_add_literal(to, "\">the API</a> tells how, and what else there is.</p>\n</div>\n");
}

static void add_notice(struct buffer *to, const char *title, const char *text)
{
    buffer_add_literal(to, "<div class=\"one\">\n<h2 id=\"rows\">");
    buffer_add_string(to, title);
    buffer_add_literal(to, "</h2>\n<p>");
    buffer_add_string(to, text);
    buffer_add_literal(to, "<a href=\"");
    link_add_own(to, LINK_PATHS);
    buffer_add_literal(to, "\">See all paths</a>.</p>\n</div>\n");
}

/* Says why there are no rows. */
static void add_nothing(struct buffer *to, const struct page_rows *page)
{
    const struct view *view = page->view;

    if (is_empty(page))
        add_welcome(to);
    else if (view->has_after)
        add_notice(to, "No more paths", "");
    else if (view->period != VIEW_ALL_TIME)
        add_notice(to, "No hits in this period",
                   view->has_prefix ? "No path with this beginning was counted. " : "");
    else if (view->without_bots)
        add_notice(to, "No hits by people", "");
    else
        add_notice(to, "No path begins so", "Paths are compared byte by byte. ");
}

static const char *const PERIOD_TITLES[VIEW_N_PERIODS] = {
    [VIEW_ALL_TIME] = "All paths",     [VIEW_TODAY] = "Today",
    [VIEW_24_HOURS] = "Last 24 hours", [VIEW_7_DAYS] = "Last 7 days",
    [VIEW_30_DAYS] = "Last 30 days",
};

/* What a link to a period is called. */
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

    link_add(&address, LINK_PATHS, &link);
    buffer_add_literal(to, "<a href=\"");
    html_add_text(to, address.bytes, address.len);
    buffer_add_string(to, is_here ? "\" aria-current=\"true\">" : "\">");
    buffer_add_string(to, text);
    buffer_add_literal(to, "</a>\n");
    buffer_free(&address);
}

/* Appends links to the periods that are kept, if any. */
static void add_periods(struct buffer *to, const struct page_rows *page)
{
    const struct view *view = page->view;
    struct view other = *view;

    if (page->has_no_days && page->has_no_hours)
        return;
    buffer_add_literal(to, "<nav class=\"periods\" aria-label=\"Period\">\n");
    for (int period = 0; period < VIEW_N_PERIODS; ++period) {
        if (period != VIEW_ALL_TIME &&
            (period == VIEW_24_HOURS ? page->has_no_hours : page->has_no_days))
            continue;
        other.period = (enum view_period)period;
        add_view_link(to, &other, PERIOD_LINKS[period], period == (int)view->period);
    }
    buffer_add_literal(to, "</nav>\n");
}

/* Appends a link to the rows without bots or with them, behind a text that may be empty. */
static void add_bots_link(struct buffer *to, const struct view *view, const char *text)
{
    struct view other = *view;

    other.without_bots = !view->without_bots;
    buffer_add_string(to, text);
    add_view_link(to, &other, view->without_bots ? "Show bots" : "Leave bots out", false);
    buffer_add_literal(to, "</p>\n");
}

/* Says how many of the hits are of bots, and leads to the rows without them or with them. */
static void add_bots(struct buffer *to, const struct view *view, int64_t bots)
{
    buffer_add_literal(to, "<p class=\"note\">");
    html_add_number(to, bots);
    add_bots_link(to, view,
                  !view->without_bots ? " of them by bots. "
                  : bots == 1         ? " hit by bots is left out. "
                                      : " hits by bots are left out. ");
}

/* Appends the number in large figures, of a period or without bots. */
static void add_part(struct buffer *to, const struct view *view, const struct rows *rows)
{
    const struct period_hits *period = &rows->period;
    bool is_period = view->period != VIEW_ALL_TIME;
    int64_t hits = is_period ? period->hits : rows->totals.hits;
    int64_t bots = is_period ? period->bots : rows->totals.bots;
    int64_t shown = view->without_bots ? hits - bots : hits;

    buffer_add_literal(to, "<div class=\"own\"><h1>");
    buffer_add_string(to, PERIOD_TITLES[view->period]);
    buffer_add_literal(to, "</h1>\n<p class=\"count\"><strong>");
    html_add_number(to, shown);
    buffer_add_string(to, shown == 1 ? "</strong> <span>hit" : "</strong> <span>hits");
    if (view->without_bots)
        buffer_add_literal(to, " by people");
    if (period->begins != NULL) {
        buffer_add_literal(to, " since <time datetime=\"");
        html_add_text(to, period->begins, period->begins_len);
        buffer_add_literal(to, "\">");
        html_add_text(to, period->begins, period->begins_len < 10 ? period->begins_len : 10);
        if (period->begins_len >= 16) {
            buffer_add_literal(to, " ");
            html_add_text(to, period->begins + 11, 5);
        }
        buffer_add_literal(to, "</time>");
    }
    buffer_add_literal(to, "</span></p></div>\n");
    add_bots(to, view, bots);
}

/* Says what the rows are of: everything, whose hits are a number in large figures, or a part. */
static void add_heading(struct buffer *to, const struct view *view, const struct rows *rows)
{
    const struct totals *totals = &rows->totals;

    if (!view->has_prefix && (view->period != VIEW_ALL_TIME || view->without_bots)) {
        add_part(to, view, rows);
        return;
    }
    if (view->has_prefix) {
        buffer_add_literal(to, "<div><h1><small>What begins with</small> "
                               "<span class=\"path\">");
        html_add_path(to, view->prefix, view->prefix_len);
        buffer_add_literal(to, "</span></h1>\n<p class=\"totals\">of ");
        page_add_totals(to, totals);
        buffer_add_literal(to, "</p></div>\n");
        if (view->without_bots || totals->bots != 0) {
            /* the numbers of a prefix are not known */
            buffer_add_literal(to, "<p class=\"note\">");
            add_bots_link(to, view, view->without_bots ? "Hits by bots are left out. " : "");
        }
        return;
    }
    buffer_add_literal(to, "<div class=\"own\"><h1>All paths</h1>\n<p class=\"count\"><strong>");
    html_add_number(to, totals->hits);
    buffer_add_string(to,
                      totals->hits == 1 ? "</strong> <span>hit on " : "</strong> <span>hits on ");
    html_add_number(to, totals->paths);
    buffer_add_string(to, totals->paths == 1 ? " path</span></p></div>\n"
                                             : " paths</span></p></div>\n");
    buffer_add_literal(to, "<p id=\"since\" class=\"note\" hidden></p>\n");
    if (totals->bots != 0)
        add_bots(to, view, totals->bots);
}

/* Appends the charts that there are, and when history begins. `without_bots`: of people's hits alone. */
static void add_charts(struct buffer *to, const struct history *days, const struct history *hours,
                       bool without_bots)
{
    if (hours != NULL)
        chart_add_hours(to, hours, without_bots);
    if (days != NULL)
        chart_add_days(to, days, without_bots);
    if (days != NULL || hours != NULL)
        chart_add_beginning(to, days != NULL ? days : hours);
}

static const char *title_of_rows(const struct view *view)
{
    if (view->order == VIEW_BY_PATH)
        return "<h2 id=\"rows\">In order of paths</h2>\n";
    if (view->has_after)
        return "<h2 id=\"rows\">Lower counts</h2>\n";
    return "<h2 id=\"rows\">Highest counts</h2>\n";
}

void page_add_browse(struct buffer *to, const struct page_rows *page)
{
    const struct rows *rows = page->rows;
    int64_t highest = page_highest(rows);
    bool by_path = page->view->order == VIEW_BY_PATH, top = !page->view->has_after;

    page_add_head(to, "Paths – Path Count", LINK_PATHS);
    buffer_add_literal(to, "<div class=\"side\">\n");
    add_heading(to, page->view, rows);
    if (!is_empty(page)) {
        add_periods(to, page);
        page_add_controls(to, page);
        add_charts(to, page->days, page->hours, page->view->without_bots);
    }
    buffer_add_literal(to, "</div>\n<section aria-labelledby=\"rows\">\n");
    if (rows->size == 0) {
        add_nothing(to, page);
    } else {
        buffer_add_string(to, title_of_rows(page->view));
        page_add_table_head(to, page->view, !by_path && top);
        for (size_t i = 0; i < rows->size; ++i) {
            const struct row *row = &rows->rows[i];
            buffer_add_literal(to, PAGE_ROW);
            (void)page_add_row(to, row->path, row->path_len, row->count, highest);
        }
        buffer_add_literal(to, "</tbody>\n</table>\n");
    }
    page_add_pager(to, page->first, page->previous, page->next);
    buffer_add_literal(to, "</section>\n");
    page_add_end(to);
}

/* --- one path --- */

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
static void add_uncounted(struct buffer *to, const struct page_path *page)
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

void page_add_path(struct buffer *to, const struct page_path *page)
{
    const struct path_detail *detail = page->detail;

    page_add_head(to, "One path – Path Count", NULL);
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
                add_term(to, PERIOD_TITLES[period], detail->periods[period].hits);
        add_badge(to, detail);
        buffer_add_literal(to, "</dl>\n");
    }
    add_uncounted(to, page);
    if (detail->count != 0)
        add_charts(to, page->days, page->hours, false);
    if (detail->count != 0)
        add_exports(to, detail);
    if (detail->path_len > WHOLE_BYTES) {
        buffer_add_literal(to, "<h2>The whole path</h2>\n<p class=\"path\">");
        html_add_path(to, detail->path, detail->path_len);
        buffer_add_literal(to, "</p>\n");
    }
    buffer_add_literal(to, "</div>\n");
    page_add_end(to);
}

/* --- one browser --- */

void page_add_me(struct buffer *to, bool is_left_out, const char *cookie)
{
    page_add_head(to, "Your own visits – Path Count", NULL);
    buffer_add_string(to, is_left_out
                              ? "<div class=\"one\">\n<h1>Your visits are not counted</h1>\n"
                                "<p>This browser has the cookie that leaves it out.</p>\n"
                              : "<div class=\"one\">\n<h1>Your visits are counted</h1>\n"
                                "<p>If only other people's visits are to count, leave this "
                                "browser out. It then keeps a cookie.</p>\n");
    buffer_add_literal(to, "<form method=\"post\" action=\"");
    link_add_own(to, LINK_ME);
    buffer_add_string(to, is_left_out ? "?counted=yes\"><button>Count this browser again</button>"
                                      : "?counted=no\"><button>Leave this browser out</button>");
    buffer_add_literal(to, "</form>\n<p class=\"note\">The cookie is set only here. It is "
                           "<code>");
    html_add_text(to, cookie, strlen(cookie));
    buffer_add_literal(to, "</code> in every browser, so it does not identify "
                           "you. It goes when you delete your cookies.</p>\n</div>\n");
    page_add_end(to);
}
