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
    html_add(to,
             is_chosen ? "<option value=\"%s\" selected>%s</option>"
                       : "<option value=\"%s\">%s</option>",
             value, text);
}

/* Appends a field for a day. `value` is a date or a time that was requested; only a whole date is
 * shown. */
static void add_day(struct buffer *to, const char *name, const char *label, const char *value)
{
    size_t len = strnlen(value, 10);

    html_add(to,
             "<p><label for=\"%s\">%s</label><input type=\"date\" id=\"%s\" name=\"%s\" "
             "value=\"%.*s\"></p>\n",
             name, label, name, name, len == 10 ? 10 : 0, value);
}

/* Appends the form for other days. */
static void add_form(struct buffer *to, const struct history_page *page)
{
    html_add(to,
             "<form class=\"span\" action=\"%s\">\n"
             "<p><label for=\"unit\">Unit</label><select id=\"unit\" name=\"unit\">",
             page->address);
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

/* Appends the subject of the history, with a link to it. */
static void add_subject(struct buffer *to, const struct history_page *page)
{
    if (page->path == NULL) {
        html_add(to, "<a href=\"%s" LINK_PATHS "\">all paths</a>", link_base.at);
    } else if (path_is_overflow(page->path, page->path_len)) {
        buffer_add_literal(to, "other paths");
    } else {
        buffer_add_literal(to, "<a ");
        (void)html_add_path_link(to, page->path, page->path_len, WHOLE_BYTES);
    }
}

void history_page_add(struct buffer *to, const struct history_page *page)
{
    frame_begin(to, "History – Path Count", page->path == NULL ? LINK_HISTORY : NULL);
    buffer_add_literal(to, "<div class=\"side\">\n<div><h1><small>History of</small> ");
    add_subject(to, page);
    buffer_add_literal(to, "</h1></div>\n");
    add_form(to, page);
    chart_add_all(to, page->history, page->without_bots);
    chart_add_beginning(to, page->history);
    html_add(
        to,
        "<p class=\"note\">Export <a href=\"%s\">CSV</a>\n<a href=\"%s\">JSON</a>\n</p>\n</div>\n"
        "<section aria-labelledby=\"history\">\n<h2 id=\"history\">%s</h2>\n",
        page->csv, page->json, page->history->by_hour ? "Hour by hour" : "Day by day");
    chart_add_table(to, page->history, page->without_bots);
    buffer_add_literal(to, "</section>\n");
    frame_end(to);
}
