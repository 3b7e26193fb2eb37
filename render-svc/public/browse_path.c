/* /-/paths/ANY/PATH, as a page, as JSON, as CSV: its parameters, the read from counter-svc, the
 * answer. */
#include "render-svc/html/csv.h"
#include "render-svc/html/link.h"
#include "render-svc/html/path_page.h"
#include "render-svc/html/query.h"
#include "render-svc/public/browse_private.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"

static bool on_path_answered(struct read_request *read, const struct http_answer *answer);
static void on_path_trend(struct trend *trend);

void browse_path(const struct api_request *request)
{
    struct browse *browse = browse_begin(request);
    struct buffer target = {0};
    static const char *const NAMES[] = {"about"};
    h2o_iovec_t rest, about = {0};
    const char *error, *path = request->path;
    size_t len = request->path_len;

    error = query_take(&request->req->pool, request->query, request->query_len, NAMES, 1, &about,
                       &rest);
    if (error == NULL && about.base == NULL && link_ends_with_history(path, len)) {
        history_of_path(request);
        return;
    }
    error = form_read(&browse->form, request, &rest);
    if (error == NULL)
        error = query_take(&request->req->pool, rest.base, rest.len, NAMES, 1, &about, &rest);
    if (error == NULL && about.base != NULL &&
        !h2o_memis(about.base, about.len, H2O_STRLIT("path")))
        error = "\"about\" is not path.";
    if (error == NULL && rest.len != 0)
        error = "Unknown query parameter; use about, format or bom.";
    if (error != NULL) {
        browse_answer_error(browse, 400, error);
        return;
    }
    render_normalize(request->req, &path, &len);
    if (len > PATH_MAX_BYTES) {
        browse_answer_error(browse, 414, path_error_text(PATH_TOO_LONG));
        return;
    }
    buffer_add_literal(&target, API_PATHS);
    link_add_path(&target, path, len);
    browse_start_read(browse, &target, on_path_answered);
    browse_start_trend(browse, path, len, on_path_trend);
}

static void answer_path(struct browse *browse)
{
    const struct path_detail *detail = &browse->detail;
    struct buffer body = {0};

    if (browse->form.type == ACCEPT_JSON) {
        detail_encode(&body, detail);
        buffer_add_literal(&body, "\n");
    } else if (browse->form.type == ACCEPT_CSV) {
        csv_begin(&body, browse->form.with_bom);
        csv_add_detail(&body, detail);
    } else {
        path_page_add(&body, &(struct path_page){.detail = detail,
                                                 .days = browse_history(browse, TREND_DAYS),
                                                 .hours = browse_history(browse, TREND_HOURS)});
    }
    form_answer(browse->req, &browse->form, &body);
}

static bool on_path_answered(struct read_request *read, const struct http_answer *answer)
{
    struct browse *browse = H2O_STRUCT_FROM_MEMBER(struct browse, read, read);
    const char *error;

    if (answer == NULL || answer->status != 200)
        return browse_answer_failure(browse, answer);
    if (detail_decode(answer->body, answer->len, &browse->detail, &error) != 0) {
        browse_answer_failure(browse, NULL);
        return false;
    }
    browse->is_read = true;
    if (browse->trend.waiting == 0)
        answer_path(browse);
    return true;
}

static void on_path_trend(struct trend *trend)
{
    struct browse *browse = H2O_STRUCT_FROM_MEMBER(struct browse, trend, trend);

    if (browse->is_read)
        answer_path(browse);
}
