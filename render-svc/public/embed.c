/* Counts for pages on other sites:
 *
 *     /-/badge/ANY/PATH.svg      shows a count
 *     /-/hit/ANY/PATH.svg        counts, and shows the count
 *     /-/hit/ANY/PATH.gif        counts, and shows nothing
 *     POST /-/hit/ANY/PATH       counts, and returns the count as JSON if the client accepts that
 *
 * A request reads from top to bottom: its parameters, the hit or the read, the answer. */

#include "proto/api.h"
#include "render-svc/html/badge.h"
#include "render-svc/html/link.h"
#include "render-svc/html/page.h"
#include "render-svc/public/accept.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/routes.h"
#include "render-svc/public/visitor.h"
#include "server/http/answer.h"
#include "server/http/request.h"

#include <stdio.h>
#include <string.h>

#define SVG_SUFFIX ".svg"
#define GIF_SUFFIX ".gif"

#define CACHING_BYTES 32

enum image { IMAGE_NONE, IMAGE_GIF, IMAGE_BADGE };

/* A request while it waits for a hit or a read; in the request's pool. */
struct embed {
    h2o_req_t *req;
    enum image image;
    bool wants_json;   /* a POST whose client accepts JSON */
    bool is_uncounted; /* a hit that is not counted (visitor.h): the count is read */
    struct badge badge;
    const char *path; /* canonical, without the suffix */
    size_t path_len;
    struct hit hit;
    struct timer deadline;    /* of the hit */
    struct read_request read; /* of a badge that counts nothing */
};

static void on_counted(struct hit *hit, struct hit_count hit_count, struct shared_rows *rows);
static void read_count(struct embed *embed);
static void on_embed_deadline(struct timer *timer);
static bool on_embed_rows(struct read_request *read, const struct http_answer *answer);
static void on_embed_disposed(void *data);

/* --- parameters --- */

static bool ends_with(const struct embed *embed, const char *suffix)
{
    size_t len = strlen(suffix);

    return embed->path_len > len && memcmp(embed->path + embed->path_len - len, suffix, len) == 0;
}

/* Returns whether the path ends with a dot segment, which the suffix hid from path_resolve. */
static bool ends_with_dots(const struct embed *embed)
{
    return ends_with(embed, "/.") || ends_with(embed, "/..") ||
           h2o_memis(embed->path, embed->path_len, H2O_STRLIT("/.")) ||
           h2o_memis(embed->path, embed->path_len, H2O_STRLIT("/.."));
}

static struct embed *begin(const struct api_request *request)
{
    struct embed *embed =
        h2o_mem_alloc_shared(&request->req->pool, sizeof(*embed), on_embed_disposed);

    *embed =
        (struct embed){.req = request->req, .path = request->path, .path_len = request->path_len};
    return embed;
}

/* Removes the suffix. Returns which image it stands for. */
static enum image take_suffix(struct embed *embed)
{
    enum image image = ends_with(embed, SVG_SUFFIX)   ? IMAGE_BADGE
                       : ends_with(embed, GIF_SUFFIX) ? IMAGE_GIF
                                                      : IMAGE_NONE;

    if (image != IMAGE_NONE)
        embed->path_len -= strlen(SVG_SUFFIX);
    return image;
}

/* Normalises the path. If it cannot be counted, answers with an error and returns false. */
static bool take_path(struct embed *embed)
{
    bool dots = ends_with_dots(embed);

    render_normalize(embed->req, &embed->path, &embed->path_len);
    if (embed->path_len > PATH_MAX_BYTES)
        reply_error(embed->req, 414, path_error_text(PATH_TOO_LONG), true);
    else if (dots)
        reply_error(embed->req, 400, "The path ends with a dot segment.", true);
    else if (route_is_reserved(embed->path, embed->path_len))
        reply_error(embed->req, 400, "Paths below /-/ are not counted.", true);
    else
        return true;
    return false;
}

static bool read_badge(struct embed *embed, const struct api_request *request)
{
    const char *error =
        badge_read(&request->req->pool, request->query, request->query_len, &embed->badge);

    if (error != NULL)
        reply_error(request->req, 400, error, true);
    return error == NULL;
}

/* --- /-/hit/ANY/PATH --- */

static void answer_pixel(struct embed *embed)
{
    /* transparent */
    static const char GIF[] = "GIF89a\1\0\1\0\200\0\0\377\377\377\0\0\0!\371\4\1\0\0\0\0,\0\0\0\0"
                              "\1\0\1\0\0\2\2D\1\0;";
    h2o_iovec_t gif = h2o_iovec_init(GIF, sizeof(GIF) - 1);

    reply_add_policy(embed->req, TYPE_GIF);
    answer_parts(embed->req, 200, TYPE_GIF, &gif, 1);
}

static void count_hit(struct embed *embed)
{
    struct render *render = worker_of(embed->req)->app;

    embed->hit.path = embed->path;
    embed->hit.path_len = embed->path_len;
    embed->hit.trace = &request_of(embed->req)->trace;
    embed->hit.is_bot = visitor_is_bot(embed->req);
    if (lanes_add(render->lanes, &embed->hit, on_counted))
        timer_start(&render->deadlines, &embed->deadline, on_embed_deadline);
    else
        reply_unavailable(embed->req, "Too many visits wait to be counted.", true);
}

/* Answers a hit that is not counted. */
static void answer_uncounted(struct embed *embed)
{
    embed->is_uncounted = true;
    if (embed->image == IMAGE_BADGE || embed->wants_json)
        read_count(embed);
    else if (embed->image == IMAGE_GIF)
        answer_pixel(embed);
    else
        answer_nothing(embed->req);
}

void embed_hit(const struct api_request *request)
{
    struct embed *embed = begin(request);

    if (method_is(request->req, "POST")) {
        h2o_iovec_t accept = request_header(request->req, "accept");
        embed->wants_json = accept_prefers_json(accept.base, accept.len);
    } else {
        embed->image = take_suffix(embed);
        if (embed->image == IMAGE_NONE) {
            reply_wrong_method(request->req, "POST, OPTIONS", true);
            return;
        }
    }
    if (!take_path(embed) || (embed->image == IMAGE_BADGE && !read_badge(embed, request)))
        return;
    if (embed->badge.period != VIEW_ALL_TIME || embed->badge.without_bots) {
        reply_error(request->req, 400,
                    "A badge that counts shows all hits: leave out \"period\" and \"bots\".", true);
        return;
    }
    if (method_is(request->req, "HEAD"))
        reply_head(request->req, embed->image == IMAGE_GIF ? TYPE_GIF : TYPE_SVG);
    else if (visitor_is_uncounted(request->req))
        answer_uncounted(embed);
    else if (!reply_refuse_prefetch(request->req, true))
        count_hit(embed);
}

static void answer_badge(struct embed *embed, int64_t count)
{
    struct buffer svg = {0};

    badge_render(&svg, &embed->badge, count);
    reply_add_policy(embed->req, TYPE_SVG);
    answer_copy(embed->req, 200, TYPE_SVG, svg.bytes, svg.len);
    buffer_free(&svg);
}

static void answer_json(struct embed *embed, struct hit_count hit_count)
{
    struct buffer json = {0};

    if (embed->is_uncounted) {
        json_add_uncounted(&json, embed->path, embed->path_len, hit_count.count);
    } else {
        json_add_visit(&json, embed->path, embed->path_len, hit_count);
        buffer_add_literal(&json, "}\n");
    }
    answer_copy(embed->req, 200, TYPE_JSON, json.bytes, json.len);
    buffer_free(&json);
}

static void answer_shields(struct embed *embed, int64_t count)
{
    struct buffer json = {0};

    badge_add_shields(&json, &embed->badge, count);
    answer_header_named(embed->req, "content-disposition", "attachment; filename=\"badge.json\"");
    answer_copy(embed->req, 200, TYPE_JSON, json.bytes, json.len);
    buffer_free(&json);
}

static void on_counted(struct hit *hit, struct hit_count hit_count, struct shared_rows *rows)
{
    struct embed *embed = H2O_STRUCT_FROM_MEMBER(struct embed, hit, hit);

    (void)rows;
    timer_stop(&embed->deadline);
    if (hit_count.count == 0) {
        reply_unavailable(embed->req, "The visit could not be counted.", true);
    } else if (embed->image == IMAGE_BADGE) {
        answer_badge(embed, hit_count.overflow ? BADGE_NO_COUNT : hit_count.count);
    } else if (embed->image == IMAGE_GIF) {
        answer_pixel(embed);
    } else if (embed->wants_json) {
        answer_json(embed, hit_count);
    } else {
        answer_nothing(embed->req);
    }
}

static void on_embed_deadline(struct timer *timer)
{
    struct embed *embed = H2O_STRUCT_FROM_MEMBER(struct embed, deadline, timer);

    hit_cancel(&embed->hit);
    reply_unavailable(embed->req, "The visit could not be counted in time.", true);
}

/* --- /-/badge/ANY/PATH.svg --- */

void embed_badge(const struct api_request *request)
{
    struct embed *embed = begin(request);

    if (!ends_with(embed, SVG_SUFFIX)) {
        reply_error(request->req, 404, "A badge's address ends with .svg.", true);
        return;
    }
    embed->image = take_suffix(embed);
    if (take_path(embed) && read_badge(embed, request))
        read_count(embed);
}

static void read_count(struct embed *embed)
{
    const struct render *render = worker_of(embed->req)->app;
    struct buffer target = {0};

    /* The path itself is the first of all paths with this prefix. Unlike API_PATHS/ANY/PATH, this
     * read computes no rank. */
    buffer_add_literal(&target, API_PATHS "?order=path&limit=1&prefix=");
    link_add_path(&target, embed->path, embed->path_len);
    if (embed->badge.period != VIEW_ALL_TIME) {
        buffer_add_literal(&target, "&period=");
        buffer_add_string(&target, view_period_names[embed->badge.period]);
    }
    if (embed->badge.without_bots)
        buffer_add_literal(&target, "&bots=exclude");
    read_request_start(render->reads, &embed->read, &target, &request_of(embed->req)->trace,
                       on_embed_rows);
    buffer_free(&target);
}

/* Lets browsers and proxies keep the badge: images are requested often. */
static void may_be_kept(struct embed *embed)
{
    char *value = h2o_mem_alloc_pool(&embed->req->pool, CACHING_BYTES);

    snprintf(value, CACHING_BYTES, "public, max-age=%d", embed->badge.cache_s);
    reply_may_be_kept(embed->req, value);
}

static bool on_embed_rows(struct read_request *read, const struct http_answer *answer)
{
    struct embed *embed = H2O_STRUCT_FROM_MEMBER(struct embed, read, read);
    const char *error;
    struct rows rows;
    int64_t count;

    if (answer != NULL && answer->status == 404) {
        reply_error(embed->req, 404, "No history is kept for this period.", true);
        return true;
    }
    if (answer == NULL || answer->status != 200 ||
        rows_decode(answer->body, answer->len, answer->encoding, &rows, &error) != 0) {
        reply_unavailable(embed->req, "The count is unavailable.", true);
        return answer == NULL || answer->status != 200;
    }
    count = rows.size != 0 && h2o_memis(rows.rows[0].path, rows.rows[0].path_len, embed->path,
                                        embed->path_len)
                ? rows.rows[0].count
                : 0;
    if (!embed->is_uncounted)
        may_be_kept(embed);
    if (embed->wants_json)
        answer_json(embed, (struct hit_count){count, false});
    else if (embed->badge.for_shields && !embed->is_uncounted)
        answer_shields(embed, count);
    else
        answer_badge(embed, count);
    rows_free(&rows);
    return true;
}

/* The request's memory is freed. */
static void on_embed_disposed(void *data)
{
    struct embed *embed = data;

    hit_cancel(&embed->hit);
    timer_stop(&embed->deadline);
    read_request_cancel(&embed->read);
}
