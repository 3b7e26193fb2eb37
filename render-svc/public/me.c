/* /-/me: whether visits by this browser are counted, and a form to change that. The cookie has the
 * whole state: the service stores nothing. */

#include "render-svc/html/link.h"
#include "render-svc/html/me_page.h"
#include "render-svc/html/query.h"
#include "render-svc/public/accept.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/routes.h"
#include "render-svc/public/visitor.h"
#include "server/http/answer.h"

/* The longest time that browsers keep a cookie: 400 days. */
#define KEPT_S "34560000"

static void answer_state(const struct api_request *request, bool is_excluded)
{
    struct buffer body = {0};

    if (request->json) {
        buffer_add_string(&body, is_excluded ? "{\"counted\":false}\n" : "{\"counted\":true}\n");
        reply_copy(request->req, TYPE_JSON, body.bytes, body.len, true);
    } else {
        me_page_add(&body, is_excluded, VISITOR_COOKIE);
        reply_copy(request->req, TYPE_HTML, body.bytes, body.len, false);
    }
    buffer_free(&body);
}

/* With TLS, browsers also send the cookie with images and requests on pages of other sites. Without
 * TLS they refuse such a cookie, so it is limited to pages of the same site. */
static void set_cookie(h2o_req_t *req, bool is_excluded)
{
    h2o_iovec_t proto = request_header(req, "x-forwarded-proto");
    struct buffer cookie = {0};
    h2o_iovec_t value;

    buffer_add_string(&cookie, is_excluded ? VISITOR_COOKIE "; Max-Age=" KEPT_S "; Path="
                                           : VISITOR_COOKIE "; Max-Age=0; Path=");
    link_add_address(&cookie, "/");
    buffer_add_string(&cookie, h2o_memis(proto.base, proto.len, H2O_STRLIT("https"))
                                   ? "; HttpOnly; Secure; SameSite=None"
                                   : "; HttpOnly; SameSite=Lax");
    value = h2o_strdup(&req->pool, cookie.bytes, cookie.len);
    buffer_free(&cookie);
    h2o_add_header(&req->pool, &req->res.headers, H2O_TOKEN_SET_COOKIE, NULL, value.base,
                   value.len);
}

static void change(const struct api_request *request)
{
    static const char *const NAMES[] = {"counted"};
    h2o_iovec_t counted, rest;
    const char *error = query_take(&request->req->pool, request->query, request->query_len, NAMES,
                                   1, &counted, &rest);
    bool no = h2o_memis(counted.base, counted.len, H2O_STRLIT("no"));

    if (error == NULL && rest.len != 0)
        error = "Unknown query parameter; use counted.";
    if (error == NULL && !no && !h2o_memis(counted.base, counted.len, H2O_STRLIT("yes")))
        error = "\"counted\" is not yes or no.";
    if (error != NULL) {
        reply_error(request->req, 400, error, request->json);
        return;
    }
    if (visitor_may_be_forged(request->req)) {
        reply_error(request->req, 403, "Only this site's own page can change this.", request->json);
        return;
    }
    set_cookie(request->req, no);
    if (request->json)
        answer_state(request, no);
    else
        reply_redirect(request->req, 303, LINK_ME);
}

void me_answer(const struct api_request *request)
{
    reply_sends_origin(request->req);
    if (method_is(request->req, "POST"))
        change(request);
    else
        answer_state(request, visitor_is_excluded(request->req));
}
