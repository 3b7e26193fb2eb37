#include "render-svc/html/frame.h"

#include "render-svc/html/assets.h"
#include "render-svc/html/html.h"
#include "render-svc/html/link.h"

/* Appends a link of the navigation. */
static void add_to_nav(struct buffer *to, const char *address, const char *text, const char *here)
{
    bool is_here = here != NULL && strcmp(here, address) == 0;

    html_add(to,
             is_here ? "<a href=\"%s%s\" aria-current=\"page\">%s</a>" : "<a href=\"%s%s\">%s</a>",
             link_base.at, address, text);
}

void frame_begin(struct buffer *to, const char *title, const char *here)
{
    const char *base = link_base.at, *icon = asset_path(ASSET_ICON);

    html_add(to,
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width\">\n<title>%s</title>\n"
             "<link rel=\"icon\" href=\"%s%s\">\n"
             "<link rel=\"stylesheet\" href=\"%s%s\">\n"
             "<script src=\"%s%s\" defer></script>\n</head>\n<body>\n"
             "<a class=\"skip\" href=\"#main\">Skip to the content</a>\n"
             "<header><a href=\"%s" LINK_PATHS "\">"
             "<img src=\"%s%s\" alt=\"\" width=\"24\" height=\"24\">Path Count</a>\n"
             "<nav aria-label=\"Site\">",
             title, base, icon, base, asset_path(ASSET_STYLE), base, asset_path(ASSET_SCRIPT), base,
             base, icon);
    add_to_nav(to, LINK_PATHS, "All paths", here);
    buffer_add_literal(to, " ");
    add_to_nav(to, LINK_ABOUT, "API", here);
    buffer_add_literal(to, "</nav></header>\n<main id=\"main\">\n");
}

void frame_end(struct buffer *to)
{
    buffer_add_literal(to, "</main>\n</body>\n</html>\n");
}
