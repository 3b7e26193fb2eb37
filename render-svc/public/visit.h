/* Visits: requests for paths that are not below /-/. A GET is counted; a HEAD is answered like a
 * GET, without a body, and not counted.
 *
 * All calls from the request's loop.
 */
#ifndef RENDER_PUBLIC_VISIT_H
#define RENDER_PUBLIC_VISIT_H

#include "proto/path.h"

#include <h2o.h>

/* Handles a request of any method for a target that is not below /-/. `target` is the request's
 * target without base_path. `path` is its canonical path, in the request's pool, if `error` is
 * PATH_OK. Answers within request_deadline_ms. */
void visit_handle(h2o_req_t *req, h2o_iovec_t target, enum path_error error, const char *path,
                  size_t len);

#endif
