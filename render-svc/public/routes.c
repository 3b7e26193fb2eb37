/* The entry of each public request. A path below /-/ goes to reserved.c, any other path to
 * visit.c. */

#include "render-svc/html/link.h"
#include "render-svc/public/accept.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/reserved.h"
#include "render-svc/public/visit.h"
#include "server/http/answer.h"
#include "server/http/request.h"

#include <string.h>

const char *const render_routes[N_ROUTES + 1] = {
    [ROUTE_NONE] = "none",   [ROUTE_VISIT] = "visit",     [ROUTE_ABOUT] = "about",
    [ROUTE_PATHS] = "paths", [ROUTE_PATH] = "path",       [ROUTE_LIVE] = "live",
    [ROUTE_BADGE] = "badge", [ROUTE_OPENAPI] = "openapi", [ROUTE_HIT] = "hit",
    [ROUTE_ASSET] = "asset", [ROUTE_HEALTH] = "health",   [ROUTE_ROBOTS] = "robots",
    [ROUTE_ME] = "me",       [ROUTE_HISTORY] = "history",
};

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
    if (error == PATH_OK && reserved_is(path, len))
        reserved_handle(req, path, len);
    else
        visit_handle(req, target, error, path, len);
    return 0;
}
