/* The paths below /-/: pages and the public API (proto/public-api.yml). They count nothing, except
 * those below /-/hit/.
 *
 *     reserved.c     the table of routes
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
#ifndef RENDER_PUBLIC_RESERVED_H
#define RENDER_PUBLIC_RESERVED_H

#include "proto/view.h"

#include <h2o.h>
#include <stdbool.h>

#define RESERVED_PREFIX "/-/"

/* A request for a reserved path; its texts are in the request's pool. */
struct api_request {
    h2o_req_t *req;
    const char *path; /* the part after the name of the route, a path of its own, or "" */
    size_t path_len;
    const char *query; /* without the question mark */
    size_t query_len;
    bool json; /* errors are problems (RFC 9457), not pages */
};

/* Whether a canonical path belongs to the service itself. */
bool reserved_is(const char *path, size_t len);

/* Whether pages of other origins may use the path as images and with credentials. For a canonical
 * path, or for a target that has none. */
bool reserved_is_for_all_origins(const char *path, size_t len);

/* Whether only pages of this origin may read the path. */
bool reserved_is_private(const char *path, size_t len);

/* Handles a request for such a path, of any method and any length. */
void reserved_handle(h2o_req_t *req, const char *path, size_t len);

void browse_rows(const struct api_request *request);
void browse_path(const struct api_request *request);
void history_of_all(const struct api_request *request);

/* The path of the request ends with LINK_HISTORY_SUFFIX. */
void history_of_path(const struct api_request *request);

/* Answers with all rows of a view, in order of paths, as CSV. */
void export_rows(h2o_req_t *req, const struct view *view, bool with_bom);

/* Answers a visit that is not counted (visitor.h). */
void uncounted_visit(h2o_req_t *req, const char *path, size_t len, bool json);

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
