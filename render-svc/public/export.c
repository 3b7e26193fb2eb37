/* /-/paths as CSV of everything. An export reads a page of rows from counter-svc and writes it. It
 * reads the next page only when the client has taken this one, so it needs the memory of one page.
 *
 * Rows are read in order of paths: none is repeated or omitted, except paths that appear or
 * disappear meanwhile. If a page cannot be read, the connection is reset
 * (server/http/connection.h), so that the client sees that rows are missing. It can continue with
 * after= and its last path. A client that does not take a page within idle_ms is reset, too. */

#include "proto/api.h"
#include "render-svc/html/csv.h"
#include "render-svc/html/link.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/routes.h"
#include "server/http/answer.h"
#include "server/http/connection.h"
#include "server/http/request.h"
#include "server/ops/log.h"

#include <string.h>

/* In the request's pool. */
struct export
{
    h2o_generator_t generator; /* first: libh2o passes this to on_written and on_stop */
    h2o_req_t *req;
    struct render *render;
    struct view view;    /* its cursor is after the last page */
    struct buffer text;  /* the page that is being written */
    struct gzip *gzip;   /* NULL: it is not compressed */
    struct gzip_sum sum; /* of the text so far */
    struct read_request read;
    struct timer stall;
    bool begun;
    bool stalled; /* the client has taken too long for this page */
};

static void read_page(struct export *export);
static bool on_page(struct read_request *read, const struct http_answer *answer);
static void on_written(h2o_generator_t *self, h2o_req_t *req);
static void on_stalled(struct timer *timer);
static void on_stop(h2o_generator_t *self, h2o_req_t *req);
static void on_export_disposed(void *data);

void export_rows(h2o_req_t *req, const struct view *view, bool with_bom)
{
    struct render *render = worker_of(req)->app;
    struct export *export;

    answer_header_named(req, "content-disposition", "attachment; filename=\"pathcount.csv\"");
    if (method_is(req, "HEAD")) {
        answer_head(req, 200, TYPE_CSV);
        return;
    }
    if (render->n_exports >= render->config->max_exports) {
        reply_unavailable(req, "Too many exports are running.", true);
        return;
    }
    ++render->n_exports;
    metric_add(&render->metrics->exports, 1);
    export = h2o_mem_alloc_shared(&req->pool, sizeof(*export), on_export_disposed);
    memset(export, 0, sizeof(*export));
    export->generator = (h2o_generator_t){on_written, on_stop};
    export->req = req;
    export->render = render;
    export->view = *view;
    csv_begin(&export->text, with_bom);
    csv_add_rows_head(&export->text);
    read_page(export);
}

static void read_page(struct export *export)
{
    struct buffer target = {0};

    link_add_target(&target, &export->view);
    read_request_start(export->render->reads, &export->read, &target,
                       &request_of(export->req)->trace, on_page);
    buffer_free(&target);
}

/* Ends an export whose next page cannot be read. */
static void fail(struct export *export)
{
    if (!export->begun) {
        reply_unavailable(export->req, "The counts are unavailable.", true);
        return;
    }
    log_event(LOG_LEVEL_WARNING, "export-cut", "reason=\"counter-svc does not answer\" trace=%s",
              request_trace(export->req));
    connection_abort(export->req);
}

/* Moves the cursor of the view past these rows. In order of paths a cursor is a path. Returns
 * whether there are more rows. */
static bool move_cursor(struct view *view, const struct rows *rows)
{
    if (rows->next == NULL || rows->next_len > sizeof(view->after_path))
        return false;
    view->has_after = true;
    view->after_count = -1;
    view->after_len = rows->next_len;
    memcpy(view->after_path, rows->next, rows->next_len);
    return true;
}

/* Replaces the page by its compressed form. All pages are one gzip member. */
static void pack_page(struct export *export, bool is_last)
{
    struct buffer packed = {0};

    if (!export->begun)
        buffer_add_literal(&packed, GZIP_HEAD);
    export->sum = gzip_join(
        export->sum, gzip_add_piece(export->gzip, &packed, export->text.bytes, export->text.len));
    if (is_last)
        gzip_add_end(&packed, export->sum);
    buffer_free(&export->text);
    export->text = packed;
}

static bool on_page(struct read_request *read, const struct http_answer *answer)
{
    struct export *export = H2O_STRUCT_FROM_MEMBER(struct export, read, read);
    h2o_iovec_t part;
    const char *error;
    struct rows rows;
    bool more;

    if (answer == NULL || answer->status != 200 ||
        rows_decode(answer->body, answer->len, answer->encoding, &rows, &error) != 0) {
        fail(export);
        return answer == NULL || answer->status != 200;
    }
    csv_add_rows(&export->text, &rows);
    more = move_cursor(&export->view, &rows);
    rows_free(&rows);
    if (!export->begun)
        export->gzip = reply_begin_gzip(export->req);
    if (export->gzip != NULL)
        pack_page(export, !more);
    if (!export->begun) {
        export->begun = true;
        answer_stream(export->req, TYPE_CSV, &export->generator);
    }
    part = h2o_iovec_init(export->text.bytes, export->text.len);
    timer_start(&export->render->stalls, &export->stall, on_stalled);
    h2o_send(export->req, &part, 1, more ? H2O_SEND_STATE_IN_PROGRESS : H2O_SEND_STATE_FINAL);
    return true;
}

/* The client has taken the page, and there are more. */
static void on_written(h2o_generator_t *self, h2o_req_t *req)
{
    struct export *export = (struct export *)self;

    (void)req;
    timer_stop(&export->stall);
    export->stalled = false;
    export->text.len = 0;
    read_page(export);
}

/* The client has not taken the page in time. */
static void on_stalled(struct timer *timer)
{
    struct export *export = H2O_STRUCT_FROM_MEMBER(struct export, stall, timer);

    export->stalled = true;
    connection_cut(export->req);
}

/* The connection ended before the export did. */
static void on_stop(h2o_generator_t *self, h2o_req_t *req)
{
    struct export *export = (struct export *)self;

    if (export->stalled)
        log_event(LOG_LEVEL_WARNING, "export-cut", "reason=\"the client does not read\" trace=%s",
                  request_trace(req));
    read_request_cancel(&export->read);
    timer_stop(&export->stall);
}

/* The request's memory is freed. */
static void on_export_disposed(void *data)
{
    struct export *export = data;

    read_request_cancel(&export->read);
    timer_stop(&export->stall);
    buffer_free(&export->text);
    --export->render->n_exports;
    metric_subtract(&export->render->metrics->exports, 1);
}
