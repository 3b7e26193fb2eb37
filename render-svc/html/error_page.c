#include "render-svc/html/error_page.h"

#include "render-svc/html/frame.h"
#include "render-svc/html/html.h"
#include "render-svc/html/link.h"

/* What whoever sees the error can do about it, as HTML. */
static const char *advice_of(int status)
{
    switch (status) {
    case 400:
        return "Nothing was counted. A path begins with a slash and is UTF-8; anything else in it "
               "is percent-encoded: <code>/caf%C3%A9</code>.";
    case 403:
        return "Nothing was changed. Use the button on this site's own page.";
    case 404:
        return "Nothing was counted. What begins with <code>/-/</code> belongs to pathcount "
               "itself and counts nothing; every other path is counted when it is opened.";
    case 405:
        return "Nothing was counted. To count a path, just open it: a <code>GET</code> is a hit.";
    case 414:
        return "Nothing was counted. What stands behind a question mark is no part of the path: "
               "it may be longer.";
    case 503:
        return "It was counted once or not at all, never twice. Looking at the counts is no hit; "
               "opening the path again is a new one.";
    default:
        return "Nothing more is known about it here; the log of the service may say more.";
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
