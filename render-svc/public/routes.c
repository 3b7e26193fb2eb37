/* The entry of each public request, and the table of routes below /-/. Any other path is a visit
 * (visit.c). */
#include "render-svc/public/routes.h"

#include "render-svc/html/api_page.h"
#include "render-svc/html/link.h"
#include "render-svc/public/accept.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "server/http/answer.h"
#include "server/http/request.h"

#include <string.h>

static void handle_reserved(h2o_req_t *req, const char *path, size_t len);
static void answer_about(const struct api_request *request);

const char *const render_routes[N_ROUTES + 1] = {
    [ROUTE_NONE] = "none",   [ROUTE_VISIT] = "visit",     [ROUTE_ABOUT] = "about",
    [ROUTE_PATHS] = "paths", [ROUTE_PATH] = "path",       [ROUTE_LIVE] = "live",
    [ROUTE_BADGE] = "badge", [ROUTE_OPENAPI] = "openapi", [ROUTE_HIT] = "hit",
    [ROUTE_ASSET] = "asset", [ROUTE_HEALTH] = "health",   [ROUTE_ROBOTS] = "robots",
    [ROUTE_ME] = "me",       [ROUTE_HISTORY] = "history",
};

/* A path below /-/. */
static const struct route {
    enum route_id id;
    const char *name;
    bool with_path;      /* a path follows the name, from its slash on */
    bool for_programs;   /* errors are problems, whatever Accept says */
    const char *methods; /* with OPTIONS, which the table answers itself */
    void (*handle)(const struct api_request *request);
} ROUTES[] = {
    {ROUTE_ABOUT, "/-/", false, false, METHODS_TO_READ, answer_about},
    {ROUTE_PATHS, "/-/paths", false, false, METHODS_TO_READ, browse_rows},
    {ROUTE_PATH, "/-/paths", true, false, METHODS_TO_READ, browse_path},
    {ROUTE_HISTORY, LINK_HISTORY, false, false, METHODS_TO_READ, history_of_all},
    {ROUTE_LIVE, "/-/live", false, true, METHODS_TO_READ, live_answer},
    {ROUTE_OPENAPI, "/-/openapi.yml", false, true, METHODS_TO_READ, openapi_answer},
    {ROUTE_HEALTH, "/-/health", false, true, METHODS_TO_READ, health_answer},
    {ROUTE_ME, LINK_ME, false, false, "GET, HEAD, POST, OPTIONS", me_answer},
    {ROUTE_BADGE, "/-/badge", true, true, METHODS_TO_READ, embed_badge},
    {ROUTE_HIT, "/-/hit", true, true, "GET, HEAD, POST, OPTIONS", embed_hit},
};

/* --- the entry --- */

void render_normalize(h2o_req_t *req, const char **path, size_t *len)
{
    const struct render *render = worker_of(req)->app;
    char *room;

    if (!path_rules_are_set(&render->config->path_rules))
        return;
    room = h2o_mem_alloc_pool(&req->pool, NORMALIZED_BYTES(*len));
    *len = path_normalize(&render->config->path_rules, *path, *len, room);
    *path = room;
}

/* Takes base_path off the beginning of a path. Returns false if the path is not below it. */
static bool take_base(const char **path, size_t *len)
{
    if (*len < link_base.len || memcmp(*path, link_base.at, link_base.len) != 0 ||
        (*len > link_base.len && (*path)[link_base.len] != '/'))
        return false;
    *path += link_base.len;
    *len -= link_base.len;
    return true;
}

/* Answers a request for base_path itself or for a path outside it. */
static void answer_outside(h2o_req_t *req, const char *path, size_t len)
{
    h2o_iovec_t accept = request_header(req, "accept");

    if (h2o_memis(path, len, link_base.at, link_base.len))
        reply_redirect(req, 308, "/");
    else
        reply_error(req, 404, "This is not below the base path of the service.",
                    accept.base != NULL && accept_prefers_json(accept.base, accept.len));
}

int render_handle(h2o_handler_t *self, h2o_req_t *req)
{
    const struct render *render = worker_of(req)->app;
    char *room = h2o_mem_alloc_pool(&req->pool, req->path.len);
    const char *path = room;
    h2o_iovec_t target = req->path;
    enum path_error error;
    size_t len = 0;

    (void)self;
    reply_add_headers(req);
    /* 1. Make the path canonical. */
    error = path_resolve(target.base, target.len, room, &len);
    /* 2. Remove base_path from the path and from the target. */
    if (render->config->base_is_in_targets) {
        if (error == PATH_OK && (!take_base(&path, &len) || len == 0)) {
            answer_outside(req, room, len + (size_t)(path - room));
            return 0;
        }
        if (target.len >= link_base.len && memcmp(target.base, link_base.at, link_base.len) == 0) {
            target.base += link_base.len;
            target.len -= link_base.len;
        }
    }
    /* 3. Choose the route. */
    if (error == PATH_OK && route_is_reserved(path, len))
        handle_reserved(req, path, len);
    else
        visit_handle(req, target, error, path, len);
    return 0;
}

/* --- routes below /-/ --- */

bool route_is_reserved(const char *path, size_t len)
{
    return len >= strlen(RESERVED_PREFIX) &&
           memcmp(path, RESERVED_PREFIX, strlen(RESERVED_PREFIX)) == 0;
}

bool route_is_for_all_origins(const char *path, size_t len)
{
    static const char *const PREFIXES[] = {"/-/badge/", "/-/hit/"};

    for (size_t i = 0; i < sizeof(PREFIXES) / sizeof(PREFIXES[0]); ++i)
        if (len >= strlen(PREFIXES[i]) && memcmp(path, PREFIXES[i], strlen(PREFIXES[i])) == 0)
            return true;
    return false;
}

/* Returns whether only pages of this origin may read the path. */
static bool is_private(const char *path, size_t len)
{
    return h2o_memis(path, len, H2O_STRLIT(LINK_ME));
}

static bool route_matches(const struct route *route, const char *path, size_t len)
{
    size_t name_len = strlen(route->name);

    return len >= name_len && memcmp(path, route->name, name_len) == 0 &&
           (route->with_path ? len > name_len && path[name_len] == '/' : len == name_len);
}

/* Returns whether a list of methods, separated by ", ", contains `method`. */
static bool allows(const char *methods, h2o_iovec_t method)
{
    for (const char *at = methods; at != NULL; at = strchr(at, ','), at += at != NULL ? 2 : 0)
        if (strcspn(at, ",") == method.len && memcmp(at, method.base, method.len) == 0)
            return true;
    return false;
}

/* Answers a wrong method and OPTIONS; passes other requests to the handler. */
static void handle_route(const struct route *route, const struct api_request *request)
{
    if (!allows(route->methods, request->req->method))
        reply_wrong_method(request->req, route->methods, request->json);
    else if (method_is(request->req, "OPTIONS"))
        reply_options(request->req, route->methods);
    else
        route->handle(request);
}

/* Handles a request for a path below /-/, of any method and any length. */
static void handle_reserved(h2o_req_t *req, const char *path, size_t len)
{
    h2o_iovec_t accept = request_header(req, "accept");
    h2o_iovec_t query = request_query(req);
    struct api_request request = {
        .req = req, .path = "", .query = query.base, .query_len = query.len};

    if (route_is_for_all_origins(path, len))
        reply_is_for_all_origins(req);
    else if (!is_private(path, len))
        reply_is_public(req);
    request.json = accept_choose(accept.base, accept.len, true) != ACCEPT_HTML;
    for (size_t i = 0; i < sizeof(ROUTES) / sizeof(ROUTES[0]); ++i) {
        const struct route *route = &ROUTES[i];
        if (!route_matches(route, path, len))
            continue;
        request_of(req)->route = route->id;
        request.path = path + strlen(route->name);
        request.path_len = len - strlen(route->name);
        request.json |= route->for_programs;
        handle_route(route, &request);
        return;
    }
    if (!allows(METHODS_TO_READ, req->method))
        reply_wrong_method(req, METHODS_TO_READ, request.json);
    else if (!asset_answer(req, path, len))
        reply_error(req, 404, "Not found.", request.json);
}

static void answer_about(const struct api_request *request)
{
    h2o_iovec_t host = request->req->authority;
    struct buffer page = {0};

    api_page_add(&page, host.base, host.len);
    reply_copy(request->req, TYPE_HTML, page.bytes, page.len, request->json);
    buffer_free(&page);
}
