#include "render-svc/html/me_page.h"

#include "render-svc/html/frame.h"
#include "render-svc/html/html.h"
#include "render-svc/html/link.h"

void me_page_add(struct buffer *to, bool is_left_out, const char *cookie)
{
    frame_begin(to, "Your own visits – Path Count", NULL);
    buffer_add_string(to, is_left_out
                              ? "<div class=\"one\">\n<h1>Your visits are not counted</h1>\n"
                                "<p>This browser has the cookie that leaves it out.</p>\n"
                              : "<div class=\"one\">\n<h1>Your visits are counted</h1>\n"
                                "<p>If only other people's visits are to count, leave this "
                                "browser out. It then keeps a cookie.</p>\n");
    buffer_add_literal(to, "<form method=\"post\" action=\"");
    link_add_own(to, LINK_ME);
    buffer_add_string(to, is_left_out ? "?counted=yes\"><button>Count this browser again</button>"
                                      : "?counted=no\"><button>Leave this browser out</button>");
    buffer_add_literal(to, "</form>\n<p class=\"note\">The cookie is set only here. It is "
                           "<code>");
    html_add_text(to, cookie, strlen(cookie));
    buffer_add_literal(to, "</code> in every browser, so it does not identify "
                           "you. It goes when you delete your cookies.</p>\n</div>\n");
    frame_end(to);
}
