/* The files that every page loads, compiled in: icon, script and style sheet.
 *
 * The address of a file contains a hash of its content, /-/assets/style.0123456789.css, so a
 * browser may keep it for ever. An address with another hash finds the same file: during an update
 * a page of one render-svc may load its files from another version. Any thread.
 */
#ifndef RENDER_HTML_ASSETS_H
#define RENDER_HTML_ASSETS_H

#include <h2o.h>
#include <stdbool.h>

enum asset { ASSET_ICON, ASSET_SCRIPT, ASSET_STYLE, N_ASSETS };

/* Returns the path of a file, without the base (link.h). A constant. */
const char *asset_path(enum asset asset);

/* Returns the file at a canonical path, with any hash, or N_ASSETS if there is none. */
enum asset asset_find(const char *path, size_t len);

/* Return the Content-Type of a file; its content. Constants. */
const char *asset_type(enum asset asset);
h2o_iovec_t asset_content(enum asset asset);

#endif
