#include "render-svc/html/frame.h"

#include "render-svc/html/assets.h"
#include "render-svc/html/link.h"

/* Appends a link that all pages have. */
static void add_to_nav(struct buffer *to, const char *address, const char *text, const char *here)
{
    buffer_add_literal(to, "<a href=\"");
    link_add_own(to, address);
    buffer_add_string(to, here != NULL && strcmp(here, address) == 0 ? "\" aria-current=\"page\">"
                                                                     : "\">");
    buffer_add_string(to, text);
    buffer_add_literal(to, "</a>");
}

void frame_begin(struct buffer *to, const char *title, const char *here)
{
    buffer_add_literal(to, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    buffer_add_string(to, title);
    buffer_add_literal(to, "</title>\n<link rel=\"icon\" href=\"");
    link_add_own(to, asset_path(ASSET_ICON));
    buffer_add_literal(to, "\">\n<link rel=\"stylesheet\" href=\"");
    link_add_own(to, asset_path(ASSET_STYLE));
    buffer_add_literal(to, "\">\n<script src=\"");
    link_add_own(to, asset_path(ASSET_SCRIPT));
    buffer_add_literal(to, "\" defer></script>\n</head>\n<body>\n"
                           "<a class=\"skip\" href=\"#main\">Skip to the content</a>\n"
                           "<header><a href=\"");
    link_add_own(to, LINK_PATHS);
    buffer_add_literal(to, "\"><img src=\"");
    link_add_own(to, asset_path(ASSET_ICON));
    buffer_add_literal(to, "\" alt=\"\" width=\"24\" height=\"24\">Path Count</a>\n"
                           "<nav aria-label=\"Site\">");
    add_to_nav(to, LINK_PATHS, "All paths", here);
    buffer_add_literal(to, " ");
    add_to_nav(to, LINK_ABOUT, "API", here);
    buffer_add_literal(to, "</nav></header>\n<main id=\"main\">\n");
}

void frame_end(struct buffer *to)
{
    buffer_add_literal(to, "</main>\n</body>\n</html>\n");
}
