#include "render-svc/html/me_page.h"

#include "render-svc/html/frame.h"
#include "render-svc/html/html.h"
#include "render-svc/html/link.h"

void me_page_add(struct buffer *to, bool is_excluded, const char *cookie)
{
    frame_begin(to, "Your own visits – Path Count", NULL);
    buffer_add_literal(to, "<div class=\"one\">\n");
    if (is_excluded)
        html_add(to,
                 "<h1>Your visits are not counted</h1>\n"
                 "<p>This browser has the cookie that excludes it.</p>\n"
                 "<form method=\"post\" action=\"%s" LINK_ME "?counted=yes\">"
                 "<button>Count this browser again</button></form>\n",
                 link_base.at);
    else
        html_add(to,
                 "<h1>Your visits are counted</h1>\n"
                 "<p>To count only the visits of other people, exclude this browser. "
                 "It then keeps a cookie.</p>\n"
                 "<form method=\"post\" action=\"%s" LINK_ME "?counted=no\">"
                 "<button>Exclude this browser</button></form>\n",
                 link_base.at);
    html_add(
        to,
        "<p class=\"note\">The cookie is set only here. It is <code>%s</code> in every browser, "
        "so it does not identify you. It is gone when you delete your cookies.</p>\n</div>\n",
        cookie);
    frame_end(to);
}
