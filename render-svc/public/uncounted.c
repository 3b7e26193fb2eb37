/* A visit that is not counted, by an excluded browser or by an ignored bot (visitor.h): the count
 * of its path is read instead. */

#include "proto/api.h"
#include "proto/detail.h"
#include "render-svc/html/link.h"
#include "render-svc/html/page.h"
#include "render-svc/html/path_page.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/routes.h"
#include "render-svc/public/visitor.h"
#include "server/http/request.h"

/* In the request's pool. */
struct uncounted {
    h2o_req_t *req;
    bool json;
    const char *path;
    size_t path_len;
    struct read_request read;
};

static bool on_uncounted_path(struct read_request *read, const struct http_answer *answer);
static void answer(struct uncounted *visit, const struct path_detail *detail);
static void on_uncounted_disposed(void *data);

void uncounted_visit(h2o_req_t *req, const char *path, size_t len, bool json)
{
    const struct render *render = worker_of(req)->app;
    struct uncounted *visit =
        h2o_mem_alloc_shared(&req->pool, sizeof(*visit), on_uncounted_disposed);
    struct buffer target = {0};

    *visit = (struct uncounted){.req = req, .json = json, .path = path, .path_len = len};
    buffer_add_literal(&target, API_PATHS);
    link_add_path(&target, path, len);
    read_request_start(render->reads, &visit->read, &target, &request_of(req)->trace,
                       on_uncounted_path);
    buffer_free(&target);
}

static bool on_uncounted_path(struct read_request *read, const struct http_answer *result)
{
    struct uncounted *visit = H2O_STRUCT_FROM_MEMBER(struct uncounted, read, read);
    struct path_detail detail = {.path = visit->path, .path_len = visit->path_len};
    bool found = result != NULL && result->status == 200;
    const char *error;

    if (result == NULL || (!found && result->status != 404) ||
        (found && detail_decode(result->body, result->len, &detail, &error) != 0)) {
        reply_unavailable(visit->req, "The count is unavailable.", visit->json);
        return !found;
    }
    answer(visit, &detail);
    if (found)
        detail_free(&detail);
    return true;
}

static void answer(struct uncounted *visit, const struct path_detail *detail)
{
    struct buffer body = {0};

    if (visit->json) {
        json_add_uncounted(&body, detail->path, detail->path_len, detail->count);
        reply_copy(visit->req, TYPE_JSON, body.bytes, body.len, true);
    } else {
        path_page_add(&body, &(struct path_page){.detail = detail,
                                                 .is_visit = true,
                                                 .is_bot = !visitor_is_excluded(visit->req)});
        reply_copy(visit->req, TYPE_HTML, body.bytes, body.len, false);
    }
    buffer_free(&body);
}

/* The request's memory is freed. */
static void on_uncounted_disposed(void *data)
{
    read_request_cancel(&((struct uncounted *)data)->read);
}
