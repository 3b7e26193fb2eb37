#include "render-svc/html/history_page.h"

#include "render-svc/html/chart.h"
#include "render-svc/html/frame.h"
#include "render-svc/html/html.h"
#include "render-svc/html/link.h"

#include <string.h>

/* A longer path is ellipsed. */
#define WHOLE_BYTES 240

static void add_option(struct buffer *to, const char *value, const char *text, bool is_chosen)
{
    buffer_add_literal(to, "<option value=\"");
    buffer_add_string(to, value);
    buffer_add_string(to, is_chosen ? "\" selected>" : "\">");
    buffer_add_string(to, text);
    buffer_add_literal(to, "</option>");
}

/* A field for a day, which has the date of a time that was given. */
static void add_day(struct buffer *to, const char *name, const char *label, const char *value)
{
    size_t len = strnlen(value, 10);

    buffer_add_literal(to, "<p><label for=\"");
    buffer_add_string(to, name);
    buffer_add_literal(to, "\">");
    buffer_add_string(to, label);
    buffer_add_literal(to, "</label><input type=\"date\" id=\"");
    buffer_add_string(to, name);
    buffer_add_literal(to, "\" name=\"");
    buffer_add_string(to, name);
    buffer_add_literal(to, "\" value=\"");
    html_add_text(to, value, len == 10 ? len : 0);
    buffer_add_literal(to, "\"></p>\n");
}

static void add_form(struct buffer *to, const struct history_page *page)
{
    buffer_add_literal(to, "<form class=\"span\" action=\"");
    html_add_text(to, page->address, strlen(page->address));
    buffer_add_literal(
        to, "\">\n<p><label for=\"unit\">Unit</label><select id=\"unit\" name=\"unit\">");
    add_option(to, "day", "Days", !page->history->by_hour);
    add_option(to, "hour", "Hours", page->history->by_hour);
    buffer_add_literal(to, "</select></p>\n");
    add_day(to, "from", "From", page->from);
    add_day(to, "to", "To", page->to);
    buffer_add_literal(to, "<p><label for=\"bots\">Bots</label><select id=\"bots\" name=\"bots\">");
    add_option(to, "include", "With bots", !page->without_bots);
    add_option(to, "exclude", "Without bots", page->without_bots);
    buffer_add_literal(to, "</select></p>\n<p><button>Show</button></p>\n</form>\n");
}

static void add_export(struct buffer *to, const char *address, const char *text)
{
    buffer_add_literal(to, "<a href=\"");
    html_add_text(to, address, strlen(address));
    buffer_add_literal(to, "\">");
    buffer_add_string(to, text);
    buffer_add_literal(to, "</a>\n");
}

void history_page_add(struct buffer *to, const struct history_page *page)
{
    frame_begin(to, "History – Path Count", page->path == NULL ? LINK_HISTORY : NULL);
    buffer_add_literal(to, "<div class=\"side\">\n<div><h1><small>History of</small> ");
    if (page->path == NULL) {
        buffer_add_literal(to, "<a href=\"");
        link_add_own(to, LINK_PATHS);
        buffer_add_literal(to, "\">all paths</a>");
    } else if (path_is_overflow(page->path, page->path_len)) {
        buffer_add_literal(to, "other paths");
    } else {
        buffer_add_literal(to, "<a ");
        (void)html_add_path_link(to, page->path, page->path_len, WHOLE_BYTES);
    }
    buffer_add_literal(to, "</h1></div>\n");
    add_form(to, page);
    chart_add_all(to, page->history, page->without_bots);
    chart_add_beginning(to, page->history);
    buffer_add_literal(to, "<p class=\"note\">Export ");
    add_export(to, page->csv, "CSV");
    add_export(to, page->json, "JSON");
    buffer_add_literal(to,
                       "</p>\n</div>\n<section aria-labelledby=\"history\">\n<h2 id=\"history\">");
    buffer_add_string(to, page->history->by_hour ? "Hour by hour</h2>\n" : "Day by day</h2>\n");
    chart_add_table(to, page->history, page->without_bots);
    buffer_add_literal(to, "</section>\n");
    frame_end(to);
}
