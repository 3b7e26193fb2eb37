#include "render-svc/page_browse.h"

#include "render-svc/link.h"
#include "render-svc/page.h"

#define HEAD                                                                                       \
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"                      \
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"                   \
    "<title>Path Count</title>\n<link rel=\"icon\" href=\"/-/icon.svg\">\n"                        \
    "<link rel=\"stylesheet\" href=\"/-/style.css\">\n</head>\n<body>\n<main>\n"
#define END "</main>\n</body>\n</html>\n"

static void add_link(struct buffer *to, const char *address, const char *text)
{
    if (address == NULL)
        return;
    buffer_add_literal(to, "<a href=\"");
    html_add_text(to, address, strlen(address));
    buffer_add_literal(to, "\">");
    buffer_add_string(to, text);
    buffer_add_literal(to, "</a>\n");
}

void page_add_browse(struct buffer *to, const struct page_rows *page)
{
    const struct rows *rows = page->rows;

    buffer_add_literal(to, HEAD "<h1>Path Count</h1>\n<table>\n<thead><tr>"
                                "<th scope=\"col\">Path</th><th scope=\"col\">Count</th></tr>"
                                "</thead>\n<tbody>\n");
    for (size_t i = 0; i < rows->size; ++i) {
        buffer_add_literal(to, "<tr><td><a href=\"" LINK_PATHS);
        link_add_path(to, rows->rows[i].path, rows->rows[i].path_len);
        buffer_add_literal(to, "\"><bdi>");
        html_add_text(to, rows->rows[i].path, rows->rows[i].path_len);
        buffer_add_literal(to, "</bdi></a></td><td>");
        buffer_add_int(to, rows->rows[i].count);
        buffer_add_literal(to, "</td></tr>\n");
    }
    buffer_add_literal(to, "</tbody>\n</table>\n<p class=\"totals\">");
    buffer_add_int(to, rows->totals.paths);
    buffer_add_literal(to, " paths, ");
    buffer_add_int(to, rows->totals.hits);
    buffer_add_literal(to, " hits in all</p>\n<p>");
    add_link(to, page->first, "First");
    add_link(to, page->previous, "Previous");
    add_link(to, page->next, "Next");
    add_link(to, page->json, "JSON");
    add_link(to, page->csv, "CSV");
    add_link(to, page->csv_all, "CSV of everything");
    buffer_add_literal(to, "</p>\n" END);
}

void page_add_path(struct buffer *to, const struct page_path *page)
{
    const struct path_detail *detail = page->detail;

    buffer_add_literal(to, HEAD "<h1><bdi>");
    html_add_text(to, detail->path, detail->path_len);
    buffer_add_literal(to, "</bdi></h1>\n<dl>\n<dt>Count</dt><dd>");
    buffer_add_int(to, detail->count);
    buffer_add_literal(to, "</dd>\n<dt>Rank</dt><dd>");
    if (detail->rank != 0)
        buffer_add_int(to, detail->rank);
    else
        buffer_add_literal(to, "beyond 10,000");
    buffer_add_literal(to, "</dd>\n<dt>First hit</dt><dd>");
    buffer_add_string(to, *detail->first != '\0' ? detail->first : "not known");
    buffer_add_literal(to, "</dd>\n<dt>Last hit</dt><dd>");
    buffer_add_string(to, *detail->last != '\0' ? detail->last : "not known");
    buffer_add_literal(to, "</dd>\n</dl>\n<p>");
    add_link(to, page->json, "JSON");
    add_link(to, page->csv, "CSV");
    buffer_add_literal(to, "</p>\n" END);
}
