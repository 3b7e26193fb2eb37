/* /-/live: checks a request for live changes and subscribes it (live.h). */

#include "render-svc/html/link.h"
#include "render-svc/public/live.h"
#include "render-svc/public/query.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/reserved.h"
#include "server/http/answer.h"

/* Reads the view from the query. Returns NULL, or the error. */
static const char *read_view(const struct asked *asked, struct view *view)
{
    const struct render *render = worker_of(asked->req)->app;
    h2o_iovec_t rest;
    const char *error =
        query_take(&asked->req->pool, asked->query, asked->query_len, NULL, 0, NULL, &rest);

    if (error == NULL)
        error = link_read_view(rest.base, rest.len, &render->config->path_rules, view);
    if (error == NULL && (view->period != VIEW_ALL_TIME || view->without_bots))
        error = "All hits are followed: leave out \"period\" and \"bots\".";
    return error;
}

void live_answer(const struct asked *asked)
{
    const struct render *render = worker_of(asked->req)->app;
    struct view view;
    const char *error = read_view(asked, &view);

    if (error != NULL)
        reply_error(asked->req, 400, error, true);
    else if (method_is(asked->req, "HEAD"))
        answer_head(asked->req, 200, LIVE_TYPE);
    else if (worker_of(asked->req)->context.shutdown_requested)
        answer_copy(asked->req, 200, LIVE_TYPE, H2O_STRLIT("retry: 1000\n\n")); /* elsewhere */
    else if (!live_subscribe(render->live, asked->req, &view))
        reply_unavailable(asked->req, "Too many subscribers.", true);
}
