#include "render-svc/html/error_page.h"

#include "render-svc/html/frame.h"
#include "render-svc/html/html.h"
#include "render-svc/html/link.h"

/* Returns advice for the reader of an error, as HTML. */
static const char *advice_of(int status)
{
    switch (status) {
    case 400:
        return "Nothing was counted. A path begins with a slash and is UTF-8; characters "
               "beyond ASCII are percent-encoded: <code>/caf%C3%A9</code>.";
    case 403:
        return "Nothing was changed. Use the button on this site's own page.";
    case 404:
        return "Nothing was counted. Paths below <code>/-/</code> belong to pathcount itself; "
               "every other path is counted when it is opened.";
    case 405:
        return "Nothing was counted. To count a path, open it: a <code>GET</code> is a hit.";
    case 414:
        return "Nothing was counted. The query, after a question mark, is not part of the path and "
               "may be longer.";
    case 503:
        return "It was counted once or not at all, never twice. Reading the counts is not a hit; "
               "opening the path again is another hit.";
    default:
        return "The log of the service may show the reason.";
    }
}

void error_page_add(struct buffer *to, int status, const char *title, const char *detail,
                    const char *reference)
{
    frame_begin(to, "Path Count", NULL);
    html_add(
        to, "<div class=\"error\">\n<h1><small>%d</small> %s</h1>\n<p class=\"detail\">%s</p>\n<p>",
        status, title, detail);
    buffer_add_string(to, advice_of(status));
    html_add(to,
             "</p>\n<p>Reference: <code>%s</code></p>\n"
             "<p class=\"pager\"><a href=\"%s" LINK_PATHS "\">All paths</a> "
             "<a href=\"%s" LINK_ABOUT "\">How to use it</a></p>\n</div>\n",
             reference, link_base.at, link_base.at);
    frame_end(to);
}
