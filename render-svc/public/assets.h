/* The files that the page needs, compiled in.
 *
 * Each is served under a name that bears a hash of its content, /-/assets/style.0123456789.css, and
 * may be kept for ever. Another hash gets the content there is, not to be kept: while one renderer
 * after the other is replaced, a page of one may ask the other for its assets.
 */
#ifndef RENDER_PUBLIC_ASSETS_H
#define RENDER_PUBLIC_ASSETS_H

#include <h2o.h>
#include <stdbool.h>

enum asset { ASSET_ICON, ASSET_SCRIPT, ASSET_STYLE, N_ASSETS };

/* Where it is. A constant; any thread. */
const char *asset_path(enum asset asset);

/* Answers the request for a canonical path if that is an asset; returns false when it is none. */
bool asset_answer(h2o_req_t *req, const char *path, size_t len);

#endif
