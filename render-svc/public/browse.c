/* The steps that /-/paths and /-/paths/ANY/PATH share. */
#include "render-svc/public/browse_private.h"

#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "server/http/request.h"

static void on_browse_disposed(void *data);

struct browse *browse_begin(const struct api_request *request)
{
    struct browse *browse =
        h2o_mem_alloc_shared(&request->req->pool, sizeof(*browse), on_browse_disposed);

    browse->req = request->req;
    browse->form = (struct form){.type = ACCEPT_HTML};
    browse->is_export = browse->is_read = false;
    browse->read = (struct read_request){0};
    browse->trend = (struct trend){0};
    browse->view.period = VIEW_ALL_TIME;
    browse->rows = (struct rows){0};
    browse->detail = (struct path_detail){0};
    return browse;
}

void browse_start_read(struct browse *browse, struct buffer *target, read_callback callback)
{
    const struct render *render = worker_of(browse->req)->app;

    read_request_start(render->reads, &browse->read, target, &request_of(browse->req)->trace,
                       callback);
    buffer_free(target);
}

void browse_start_trend(struct browse *browse, const char *path, size_t len,
                        trend_callback callback)
{
    const struct render *render = worker_of(browse->req)->app;

    if (browse->form.type == ACCEPT_HTML && !method_is(browse->req, "HEAD"))
        trend_start(&browse->trend, render->reads, path, len, &request_of(browse->req)->trace,
                    callback);
}

const struct history *browse_history(const struct browse *browse, enum trend_unit unit)
{
    const struct history *history = &browse->trend.of[unit];

    return history->zone != NULL && history->size != 0 ? history : NULL;
}

void browse_answer_error(struct browse *browse, int status, const char *detail)
{
    reply_error(browse->req, status, detail, browse->form.type != ACCEPT_HTML);
}

bool browse_answer_failure(struct browse *browse, const struct http_answer *answer)
{
    bool json = browse->form.type != ACCEPT_HTML;

    trend_fini(&browse->trend);
    if (answer == NULL)
        reply_unavailable(browse->req, "The counts are unavailable.", json);
    else if (answer->status == 404 && browse->view.period != VIEW_ALL_TIME)
        reply_error(browse->req, 404, "No history is kept for this period.", json);
    else if (answer->status == 404)
        reply_error(browse->req, 404, "This path has not been counted yet.", json);
    else
        reply_error(browse->req, answer->status, "counter-svc rejected the request.", json);
    return true;
}

/* The request's memory is freed. */
static void on_browse_disposed(void *data)
{
    struct browse *browse = data;

    read_request_cancel(&browse->read);
    trend_fini(&browse->trend);
    rows_free(&browse->rows);
    detail_free(&browse->detail);
}
