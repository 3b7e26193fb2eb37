/* /-/live: checks a request for live changes and subscribes it (live.h). */

#include "render-svc/html/link.h"
#include "render-svc/html/query.h"
#include "render-svc/public/live.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/routes.h"
#include "server/http/answer.h"

/* Reads the view from the query. Returns NULL, or the error. */
static const char *read_view(const struct api_request *request, struct view *view)
{
    const struct render *render = worker_of(request->req)->app;
    h2o_iovec_t rest;
    const char *error =
        query_take(&request->req->pool, request->query, request->query_len, NULL, 0, NULL, &rest);

    if (error == NULL)
        error = link_read_view(rest.base, rest.len, &render->config->path_rules, view);
    if (error == NULL && (view->period != VIEW_ALL_TIME || view->without_bots))
        error = "All hits are followed: leave out \"period\" and \"bots\".";
    return error;
}

void live_answer(const struct api_request *request)
{
    const struct render *render = worker_of(request->req)->app;
    struct view view;
    const char *error = read_view(request, &view);

    if (error != NULL)
        reply_error(request->req, 400, error, true);
    else if (method_is(request->req, "HEAD"))
        answer_head(request->req, 200, LIVE_TYPE);
    else if (worker_of(request->req)->context.shutdown_requested)
        answer_copy(request->req, 200, LIVE_TYPE, H2O_STRLIT("retry: 1000\n\n")); /* elsewhere */
    else if (!live_subscribe(render->live, request->req, &view))
        reply_unavailable(request->req, "Too many subscribers.", true);
}
