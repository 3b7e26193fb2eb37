#include "render-svc/html/path_table.h"

#include "render-svc/html/html.h"
#include "render-svc/html/link.h"

/* Longer paths are ellipsed where there is no room for them. */
#define ROW_WHOLE_BYTES 48

/* Appends `<a …>text</a>`; nothing without an address. */
static void add_link(struct buffer *to, const char *address, const char *text)
{
    if (address != NULL)
        html_add(to, "<a href=\"%s\">%s</a>\n", address, text);
}

/* Appends the search field. It keeps the order, the period and the limit of the view. */
static void add_search(struct buffer *to, const struct view *view)
{
    html_add(to, "<form action=\"%s" LINK_PATHS "\" role=\"search\">\n", link_base.at);
    if (view->order == VIEW_BY_PATH)
        buffer_add_literal(to, "<input type=\"hidden\" name=\"order\" value=\"path\">\n");
    if (view->period != VIEW_ALL_TIME)
        html_add(to, "<input type=\"hidden\" name=\"period\" value=\"%s\">\n",
                 view_period_names[view->period]);
    if (view->without_bots)
        buffer_add_literal(to, "<input type=\"hidden\" name=\"bots\" value=\"exclude\">\n");
    if (view->limit != VIEW_DEFAULT_ROWS)
        html_add(to, "<input type=\"hidden\" name=\"limit\" value=\"%u\">\n", view->limit);
    html_add(to,
             "<label for=\"prefix\">Paths that begin with</label>\n"
             "<div><input id=\"prefix\" name=\"prefix\" type=\"search\" value=\"%.*s\" "
             "placeholder=\"/\" maxlength=\"2048\" autocapitalize=\"none\" autocomplete=\"off\" "
             "spellcheck=\"false\"><button>Search</button></div>\n</form>\n",
             (int)view->prefix_len, view->prefix);
}

void path_table_add_controls(struct buffer *to, const struct path_table_controls *controls)
{
    add_search(to, controls->view);
    if (controls->live != NULL)
        html_add(to,
                 "<div class=\"tools\"><button id=\"live\" type=\"button\" role=\"switch\" "
                 "aria-checked=\"false\" data-from=\"%s\" hidden>Live</button>"
                 "<span id=\"status\" role=\"status\"></span></div>\n",
                 controls->live);
    buffer_add_literal(to, "<p class=\"note\">");
    if (!controls->has_no_days || !controls->has_no_hours)
        html_add(to, "<a href=\"%s%s\">History</a>\n", link_base.at,
                 controls->has_no_days ? LINK_HISTORY "?unit=hour" : LINK_HISTORY);
    buffer_add_literal(to, "Export ");
    add_link(to, controls->csv, "CSV");
    add_link(to, controls->json, "JSON");
    add_link(to, controls->csv_all, "all as CSV");
    add_link(to, controls->csv_excel, "all for Excel");
    buffer_add_literal(to, "</p>\n");
}

void path_table_add_pager(struct buffer *to, const char *first, const char *previous,
                          const char *next)
{
    if (first == NULL && previous == NULL && next == NULL)
        return;
    buffer_add_literal(to, "<nav class=\"pager\" aria-label=\"Pages\">\n");
    add_link(to, first, "First");
    if (previous != NULL)
        html_add(to, "<a rel=\"prev\" href=\"%s\">Previous</a>\n", previous);
    if (next != NULL)
        html_add(to, "<a rel=\"next\" href=\"%s\">Next</a>\n", next);
    buffer_add_literal(to, "</nav>\n");
}

void path_table_add_totals(struct buffer *to, const struct totals *totals)
{
    html_add(to, "%'jd %s, %'jd %s in all", totals->paths, totals->paths == 1 ? "path" : "paths",
             totals->hits, totals->hits == 1 ? "hit" : "hits");
}

/* Appends the heading of a column, a link that sorts by it. `sorted` is the direction in which it
 * is sorted. */
static void add_column(struct buffer *to, const struct view *view, enum view_order order,
                       const char *sorted, const char *title)
{
    struct view by = *view;
    struct link link = {.view = &by, .with_limit = view->limit != VIEW_DEFAULT_ROWS};
    struct buffer address = {0};

    by.order = order;
    buffer_add_literal(to, "<th scope=\"col\"");
    if (view->order == order)
        html_add(to, " aria-sort=\"%s\"", sorted);
    html_add(to, "><a href=\"%s\">%s</a></th>", link_text(&address, LINK_PATHS, &link), title);
    buffer_free(&address);
}

void path_table_begin(struct buffer *to, const struct view *view, bool ranked)
{
    buffer_add_string(to, ranked ? "<table class=\"ranked\" aria-labelledby=\"rows\">\n<thead><tr>"
                                 : "<table aria-labelledby=\"rows\">\n<thead><tr>");
    add_column(to, view, VIEW_BY_PATH, "ascending", "Path");
    add_column(to, view, VIEW_BY_COUNT, "descending", "Hits");
    buffer_add_literal(to, "</tr></thead>\n<tbody>\n");
}

int64_t path_table_highest(const struct rows *rows)
{
    int64_t highest = 1;

    for (size_t i = 0; i < rows->size; ++i)
        if (rows->rows[i].count > highest)
            highest = rows->rows[i].count;
    return highest;
}

size_t path_table_add_row(struct buffer *to, const char *path, size_t path_len, int64_t count,
                          int64_t highest)
{
    unsigned share = (unsigned)((double)count / (double)highest * 99);
    size_t encoded = 0;

    if (share > 99)
        share = 99;
    buffer_add_literal(to, PATH_TABLE_ROW_BAR);
    to->bytes[to->len - 3] = (char)('0' + share / 10);
    to->bytes[to->len - 2] = (char)('0' + share % 10);
    if (path_is_overflow(path, path_len)) {
        buffer_add_literal(to, PATH_TABLE_OVERFLOW);
    } else {
        buffer_add_literal(to, PATH_TABLE_ROW_A);
        encoded = html_add_path_link(to, path, path_len, ROW_WHOLE_BYTES);
    }
    buffer_add_literal(to, "</th><td>");
    html_add_number(to, count);
    buffer_add_literal(to, "</td></tr>\n");
    return encoded;
}
