/* Numbers for pages elsewhere: /-/badge/ANY/PATH.svg shows a count; /-/hit/ANY/PATH.svg counts and
 * shows it, /-/hit/ANY/PATH.gif counts and shows nothing, and so does a POST to /-/hit/ANY/PATH, which
 * may ask for the number as JSON. A request reads from top to bottom: what is asked for, the hit or the read, the answer. */

#include "proto/api.h"
#include "render-svc/html/badge.h"
#include "render-svc/html/link.h"
#include "render-svc/html/page.h"
#include "render-svc/public/accept.h"
#include "render-svc/public/own.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/visitor.h"
#include "server/http/answer.h"
#include "server/http/request.h"

#include <stdio.h>
#include <string.h>

#define SVG_SUFFIX ".svg"
#define GIF_SUFFIX ".gif"

#define CACHING_BYTES 32

enum image { IMAGE_NONE, IMAGE_GIF, IMAGE_BADGE };

/* A request that waits; in the request's pool. */
struct beacon {
    h2o_req_t *req;
    enum image image;
    bool wants_json;   /* a POST, its number */
    bool is_uncounted; /* a hit that is not to be counted (visitor.h): the number is looked up */
    struct badge badge;
    const char *path; /* canonical, without the suffix */
    size_t path_len;
    struct hit hit;
    struct timer deadline; /* of the hit */
    struct fetch fetch;    /* of a badge that counts nothing */
};

static void on_counted(struct hit *hit, struct number number, struct table_rows *rows);
static void read_number(struct beacon *beacon);
static void on_deadline(struct timer *timer);
static bool on_rows(struct fetch *fetch, const struct http_answer *answer);
static void on_gone(void *data);

/* --- what is asked for --- */

static bool ends_with(const struct beacon *beacon, const char *suffix)
{
    size_t len = strlen(suffix);

    return beacon->path_len > len &&
           memcmp(beacon->path + beacon->path_len - len, suffix, len) == 0;
}

/* Whether the suffix hid a dot segment. */
static bool ends_with_dots(const struct beacon *beacon)
{
    return ends_with(beacon, "/.") || ends_with(beacon, "/..") ||
           h2o_memis(beacon->path, beacon->path_len, H2O_STRLIT("/.")) ||
           h2o_memis(beacon->path, beacon->path_len, H2O_STRLIT("/.."));
}

static struct beacon *begin(const struct asked *asked)
{
    struct beacon *beacon = h2o_mem_alloc_shared(&asked->req->pool, sizeof(*beacon), on_gone);

    *beacon = (struct beacon){.req = asked->req, .path = asked->path, .path_len = asked->path_len};
    return beacon;
}

/* Takes the suffix off and says which image it asks for. */
static enum image take_suffix(struct beacon *beacon)
{
    enum image image = ends_with(beacon, SVG_SUFFIX)   ? IMAGE_BADGE
                       : ends_with(beacon, GIF_SUFFIX) ? IMAGE_GIF
                                                       : IMAGE_NONE;

    if (image != IMAGE_NONE)
        beacon->path_len -= strlen(SVG_SUFFIX);
    return image;
}

/* Looks the path over that is to be counted or shown, and normalises it; answers when it will not do. */
static bool take_path(struct beacon *beacon)
{
    bool dots = ends_with_dots(beacon);

    render_normalize(beacon->req, &beacon->path, &beacon->path_len);
    if (beacon->path_len > PATH_MAX_BYTES)
        reply_error(beacon->req, 414, path_error_text(PATH_TOO_LONG), true);
    else if (dots)
        reply_error(beacon->req, 400, "The path ends with a dot segment.", true);
    else if (own_is(beacon->path, beacon->path_len))
        reply_error(beacon->req, 400, "Paths below /-/ are not counted.", true);
    else
        return true;
    return false;
}

static bool read_badge(struct beacon *beacon, const struct asked *asked)
{
    const char *error =
        badge_read(&asked->req->pool, asked->query, asked->query_len, &beacon->badge);

    if (error != NULL)
        reply_error(asked->req, 400, error, true);
    return error == NULL;
}

/* --- /-/hit/ANY/PATH --- */

static void answer_pixel(struct beacon *beacon)
{
    /* transparent */
    static const char GIF[] = "GIF89a\1\0\1\0\200\0\0\377\377\377\0\0\0!\371\4\1\0\0\0\0,\0\0\0\0"
                              "\1\0\1\0\0\2\2D\1\0;";
    h2o_iovec_t gif = h2o_iovec_init(GIF, sizeof(GIF) - 1);

    reply_add_policy(beacon->req, TYPE_GIF);
    answer_parts(beacon->req, 200, TYPE_GIF, &gif, 1);
}

static void count(struct beacon *beacon)
{
    struct render *render = worker_of(beacon->req)->app;

    beacon->hit.path = beacon->path;
    beacon->hit.path_len = beacon->path_len;
    beacon->hit.trace = &request_of(beacon->req)->trace;
    beacon->hit.is_bot = visitor_is_bot(beacon->req);
    if (lanes_add(render->lanes, &beacon->hit, on_counted))
        timer_start(&render->deadlines, &beacon->deadline, on_deadline);
    else
        reply_unavailable(beacon->req, "Too many visits wait to be counted.", true);
}

/* Answers without counting. */
static void leave_out(struct beacon *beacon)
{
    beacon->is_uncounted = true;
    if (beacon->image == IMAGE_BADGE || beacon->wants_json)
        read_number(beacon);
    else if (beacon->image == IMAGE_GIF)
        answer_pixel(beacon);
    else
        answer_nothing(beacon->req);
}

void beacon_hit(const struct asked *asked)
{
    struct beacon *beacon = begin(asked);

    if (method_is(asked->req, "POST")) {
        h2o_iovec_t accept = request_header(asked->req, "accept");
        beacon->wants_json = accept_prefers_json(accept.base, accept.len);
    } else {
        beacon->image = take_suffix(beacon);
        if (beacon->image == IMAGE_NONE) {
            reply_wrong_method(asked->req, "POST, OPTIONS", true);
            return;
        }
    }
    if (!take_path(beacon) || (beacon->image == IMAGE_BADGE && !read_badge(beacon, asked)))
        return;
    if (beacon->badge.period != VIEW_ALL_TIME || beacon->badge.without_bots) {
        reply_error(asked->req, 400,
                    "A badge that counts shows all hits: leave out \"period\" and \"bots\".", true);
        return;
    }
    if (method_is(asked->req, "HEAD"))
        reply_head(asked->req, beacon->image == IMAGE_GIF ? TYPE_GIF : TYPE_SVG);
    else if (visitor_is_uncounted(asked->req))
        leave_out(beacon);
    else if (!reply_refuse_ahead(asked->req, true))
        count(beacon);
}

static void answer_badge(struct beacon *beacon, int64_t number)
{
    struct buffer svg = {0};

    badge_render(&svg, &beacon->badge, number);
    reply_add_policy(beacon->req, TYPE_SVG);
    answer_copy(beacon->req, 200, TYPE_SVG, svg.bytes, svg.len);
    buffer_free(&svg);
}

static void answer_json(struct beacon *beacon, struct number number)
{
    struct buffer json = {0};

    if (beacon->is_uncounted) {
        json_add_uncounted(&json, beacon->path, beacon->path_len, number.count);
    } else {
        json_add_own(&json, beacon->path, beacon->path_len, number);
        buffer_add_literal(&json, "}\n");
    }
    answer_copy(beacon->req, 200, TYPE_JSON, json.bytes, json.len);
    buffer_free(&json);
}

static void answer_shields(struct beacon *beacon, int64_t number)
{
    struct buffer json = {0};

    badge_add_shields(&json, &beacon->badge, number);
    answer_header_named(beacon->req, "content-disposition", "attachment; filename=\"badge.json\"");
    answer_copy(beacon->req, 200, TYPE_JSON, json.bytes, json.len);
    buffer_free(&json);
}

static void on_counted(struct hit *hit, struct number number, struct table_rows *rows)
{
    struct beacon *beacon = H2O_STRUCT_FROM_MEMBER(struct beacon, hit, hit);

    (void)rows;
    timer_stop(&beacon->deadline);
    if (number.count == 0) {
        reply_unavailable(beacon->req, "The visit could not be counted.", true);
    } else if (beacon->image == IMAGE_BADGE) {
        answer_badge(beacon, number.overflow ? BADGE_NO_NUMBER : number.count);
    } else if (beacon->image == IMAGE_GIF) {
        answer_pixel(beacon);
    } else if (beacon->wants_json) {
        answer_json(beacon, number);
    } else {
        answer_nothing(beacon->req);
    }
}

static void on_deadline(struct timer *timer)
{
    struct beacon *beacon = H2O_STRUCT_FROM_MEMBER(struct beacon, deadline, timer);

    hit_withdraw(&beacon->hit);
    reply_unavailable(beacon->req, "The visit could not be counted in time.", true);
}

/* --- /-/badge/ANY/PATH.svg --- */

void beacon_badge(const struct asked *asked)
{
    struct beacon *beacon = begin(asked);

    if (!ends_with(beacon, SVG_SUFFIX)) {
        reply_error(asked->req, 404, "A badge's address ends with .svg.", true);
        return;
    }
    beacon->image = take_suffix(beacon);
    if (take_path(beacon) && read_badge(beacon, asked))
        read_number(beacon);
}

static void read_number(struct beacon *beacon)
{
    const struct render *render = worker_of(beacon->req)->app;
    struct buffer target = {0};

    /* of the paths that begin so, the path itself is the first: its rank is not asked for */
    buffer_add_literal(&target, API_PATHS "?order=path&limit=1&prefix=");
    link_add_path(&target, beacon->path, beacon->path_len);
    if (beacon->badge.period != VIEW_ALL_TIME) {
        buffer_add_literal(&target, "&period=");
        buffer_add_string(&target, view_period_names[beacon->badge.period]);
    }
    if (beacon->badge.without_bots)
        buffer_add_literal(&target, "&bots=exclude");
    fetch_start(render->fetcher, &beacon->fetch, &target, &request_of(beacon->req)->trace, on_rows);
    buffer_free(&target);
}

/* Images are asked for far more often than anybody looks. */
static void may_be_kept(struct beacon *beacon)
{
    char *value = h2o_mem_alloc_pool(&beacon->req->pool, CACHING_BYTES);

    snprintf(value, CACHING_BYTES, "public, max-age=%d", beacon->badge.cache_s);
    reply_may_be_kept(beacon->req, value);
}

static bool on_rows(struct fetch *fetch, const struct http_answer *answer)
{
    struct beacon *beacon = H2O_STRUCT_FROM_MEMBER(struct beacon, fetch, fetch);
    const char *error;
    struct rows rows;
    int64_t number;

    if (answer != NULL && answer->status == 404) {
        reply_error(beacon->req, 404, "No history is kept for this period.", true);
        return true;
    }
    if (answer == NULL || answer->status != 200 ||
        rows_decode(answer->body, answer->len, answer->encoding, &rows, &error) != 0) {
        reply_unavailable(beacon->req, "The count is unavailable.", true);
        return answer == NULL || answer->status != 200;
    }
    number = rows.size != 0 && h2o_memis(rows.rows[0].path, rows.rows[0].path_len, beacon->path,
                                         beacon->path_len)
                 ? rows.rows[0].count
                 : 0;
    if (!beacon->is_uncounted)
        may_be_kept(beacon);
    if (beacon->wants_json)
        answer_json(beacon, (struct number){number, false});
    else if (beacon->badge.for_shields && !beacon->is_uncounted)
        answer_shields(beacon, number);
    else
        answer_badge(beacon, number);
    rows_free(&rows);
    return true;
}

/* The request's memory goes. */
static void on_gone(void *data)
{
    struct beacon *beacon = data;

    hit_withdraw(&beacon->hit);
    timer_stop(&beacon->deadline);
    fetch_cancel(&beacon->fetch);
}
