#include "render-svc/html/path_table.h"

#include "render-svc/html/html.h"
#include "render-svc/html/link.h"

/* Longer paths are ellipsed where there is no room for them. */
#define ROW_WHOLE_BYTES 48

/* Appends `<a …>text</a>`; nothing without an address. `attributes` end with a space. */
static void add_link(struct buffer *to, const char *attributes, const char *address,
                     const char *text)
{
    if (address == NULL)
        return;
    buffer_add_literal(to, "<a ");
    buffer_add_string(to, attributes);
    buffer_add_literal(to, "href=\"");
    html_add_text(to, address, strlen(address));
    buffer_add_literal(to, "\">");
    buffer_add_string(to, text);
    buffer_add_literal(to, "</a>\n");
}

static void add_search(struct buffer *to, const struct view *view)
{
    buffer_add_literal(to, "<form action=\"");
    link_add_own(to, LINK_PATHS);
    buffer_add_literal(to, "\" role=\"search\">\n");
    if (view->order == VIEW_BY_PATH)
        buffer_add_literal(to, "<input type=\"hidden\" name=\"order\" value=\"path\">\n");
    if (view->period != VIEW_ALL_TIME) {
        buffer_add_literal(to, "<input type=\"hidden\" name=\"period\" value=\"");
        buffer_add_string(to, view_period_names[view->period]);
        buffer_add_literal(to, "\">\n");
    }
    if (view->without_bots)
        buffer_add_literal(to, "<input type=\"hidden\" name=\"bots\" value=\"exclude\">\n");
    if (view->limit != VIEW_DEFAULT_ROWS) {
        buffer_add_literal(to, "<input type=\"hidden\" name=\"limit\" value=\"");
        buffer_add_int(to, view->limit);
        buffer_add_literal(to, "\">\n");
    }
    buffer_add_literal(to, "<label for=\"prefix\">Paths that begin with</label>\n"
                           "<div><input id=\"prefix\" name=\"prefix\" type=\"search\" value=\"");
    html_add_text(to, view->prefix, view->prefix_len);
    buffer_add_literal(to, "\" placeholder=\"/\" maxlength=\"2048\" autocapitalize=\"none\" "
                           "autocomplete=\"off\" spellcheck=\"false\">"
                           "<button>Search</button></div>\n</form>\n");
}

void path_table_add_controls(struct buffer *to, const struct path_table_controls *controls)
{
    add_search(to, controls->view);
    if (controls->live != NULL) {
        buffer_add_literal(to, "<div class=\"tools\"><button id=\"live\" type=\"button\" "
                               "role=\"switch\" aria-checked=\"false\" data-from=\"");
        html_add_text(to, controls->live, strlen(controls->live));
        buffer_add_literal(to, "\" hidden>Live</button>"
                               "<span id=\"status\" role=\"status\"></span></div>\n");
    }
    buffer_add_literal(to, "<p class=\"note\">");
    if (!controls->has_no_days || !controls->has_no_hours) {
        buffer_add_literal(to, "<a href=\"");
        link_add_own(to, controls->has_no_days ? LINK_HISTORY "?unit=hour" : LINK_HISTORY);
        buffer_add_literal(to, "\">History</a>\n");
    }
    buffer_add_literal(to, "Export ");
    add_link(to, "", controls->csv, "CSV");
    add_link(to, "", controls->json, "JSON");
    add_link(to, "", controls->csv_all, "all as CSV");
    add_link(to, "", controls->csv_excel, "all for Excel");
    buffer_add_literal(to, "</p>\n");
}

void path_table_add_pager(struct buffer *to, const char *first, const char *previous,
                          const char *next)
{
    if (first == NULL && previous == NULL && next == NULL)
        return;
    buffer_add_literal(to, "<nav class=\"pager\" aria-label=\"Pages\">\n");
    add_link(to, "", first, "First");
    add_link(to, "rel=\"prev\" ", previous, "Previous");
    add_link(to, "rel=\"next\" ", next, "Next");
    buffer_add_literal(to, "</nav>\n");
}

void path_table_add_totals(struct buffer *to, const struct totals *totals)
{
    html_add_number(to, totals->paths);
    buffer_add_string(to, totals->paths == 1 ? " path, " : " paths, ");
    html_add_number(to, totals->hits);
    buffer_add_string(to, totals->hits == 1 ? " hit in all" : " hits in all");
}

/* A column's heading, which sorts by it. */
static void add_column(struct buffer *to, const struct view *view, enum view_order order,
                       const char *sorted, const char *title)
{
    struct view by = *view;
    struct link link = {.view = &by, .with_limit = view->limit != VIEW_DEFAULT_ROWS};
    struct buffer address = {0};

    by.order = order;
    link_add(&address, LINK_PATHS, &link);
    buffer_add_literal(to, "<th scope=\"col\"");
    if (view->order == order) {
        buffer_add_literal(to, " aria-sort=\"");
        buffer_add_string(to, sorted);
        buffer_add_literal(to, "\"");
    }
    buffer_add_literal(to, "><a href=\"");
    html_add_text(to, address.bytes, address.len);
    buffer_add_literal(to, "\">");
    buffer_add_string(to, title);
    buffer_add_literal(to, "</a></th>");
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
