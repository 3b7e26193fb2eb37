/* The public routes. A GET of a path that is not below /-/ is a visit, which counts. The paths
 * below /-/ are pages and the public API (proto/public-api.yml). They count nothing, except those
 * below /-/hit/.
 *
 *     routes.c       the entry of each request, and the table of routes
 *     visit.c        every path that is not below /-/
 *     uncounted.c    the same, if the visit is not counted
 *     browse_rows.c  /-/paths
 *     browse_path.c  /-/paths/ANY/PATH
 *     history.c      /-/history, /-/paths/ANY/PATH/history
 *     export.c       /-/paths, as CSV of everything
 *     live_route.c   /-/live
 *     openapi.c      /-/openapi.yml
 *     health.c       /-/health
 *     me.c           /-/me
 *     embed.c        /-/badge/ANY/PATH.svg, /-/hit/ANY/PATH
 *     asset.c        /-/assets/
 *
 * Every handler begins its answer within a deadline. All calls from the request's loop.
 */
#ifndef RENDER_PUBLIC_ROUTES_H
#define RENDER_PUBLIC_ROUTES_H

#include "proto/path.h"
#include "proto/view.h"

#include <h2o.h>
#include <stdbool.h>

/* The public routes. render_routes has their names in logs. */
enum route_id {
    ROUTE_NONE,
    ROUTE_VISIT, /* every path that is not below /-/, valid or not */
    ROUTE_ABOUT,
    ROUTE_PATHS,
    ROUTE_PATH,
    ROUTE_HISTORY,
    ROUTE_LIVE,
    ROUTE_OPENAPI,
    ROUTE_HEALTH,
    ROUTE_BADGE,
    ROUTE_HIT,
    ROUTE_ASSET,
    ROUTE_ROBOTS,
    ROUTE_ME,
    N_ROUTES
};
extern const char *const render_routes[N_ROUTES + 1];

/* The beginning of the paths that belong to the service itself. */
#define RESERVED_PREFIX "/-/"

/* --- the entry (routes.c) --- */

/* Normalises a path that is counted or looked up by the rules of the configuration. The result is
 * in the request's pool. */
void render_normalize(h2o_req_t *req, const char **path, size_t *len);

/* Handles a public request: the `handle` of struct service (server/service.h). Returns 0. */
int render_handle(h2o_handler_t *self, h2o_req_t *req);

/* Returns whether a canonical path belongs to the service itself. */
bool route_is_reserved(const char *path, size_t len);

/* Returns whether pages of other origins may use the path as images and with credentials. For a
 * canonical path, or for a target that has none. */
bool route_is_for_all_origins(const char *path, size_t len);

/* --- visits (visit.c, uncounted.c) --- */

/* Handles a request of any method for a target that is not below /-/. A GET is counted; a HEAD is
 * answered like a GET, without a body, and not counted. `target` is the request's target without
 * base_path. `path` is its canonical path, in the request's pool, if `error` is PATH_OK. Answers
 * within request_deadline_ms. */
void visit_handle(h2o_req_t *req, h2o_iovec_t target, enum path_error error, const char *path,
                  size_t len);

/* Answers a visit that is not counted (visitor.h). */
void uncounted_visit(h2o_req_t *req, const char *path, size_t len, bool json);

/* --- handlers of the routes below /-/ --- */

/* A request for a reserved path; its texts are in the request's pool. */
struct api_request {
    h2o_req_t *req;
    const char *path; /* the part after the name of the route, a path of its own, or "" */
    size_t path_len;
    const char *query; /* without the question mark */
    size_t query_len;
    bool json; /* errors are problems (RFC 9457), not pages */
};

void browse_rows(const struct api_request *request);
void browse_path(const struct api_request *request);
void history_of_all(const struct api_request *request);

/* The path of the request ends with LINK_HISTORY_SUFFIX. */
void history_of_path(const struct api_request *request);

/* Answers with all rows of a view, in order of paths, as CSV. */
void export_rows(h2o_req_t *req, const struct view *view, bool with_bom);

/* Answers the request for a canonical path if it is that of an asset (html/assets.h); returns false
 * when it is not. */
bool asset_answer(h2o_req_t *req, const char *path, size_t len);

void me_answer(const struct api_request *request);
void openapi_answer(const struct api_request *request);
void health_answer(const struct api_request *request);
void live_answer(const struct api_request *request);
void embed_hit(const struct api_request *request);
void embed_badge(const struct api_request *request);

#endif
