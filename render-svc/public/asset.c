/* /-/assets/: the files that every page loads. */

#include "render-svc/html/assets.h"
#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/routes.h"
#include "server/http/answer.h"
#include "server/http/request.h"

#include <pthread.h>
#include <string.h>

static struct reply_constant contents[N_ASSETS];
static pthread_once_t packed = PTHREAD_ONCE_INIT;

static void pack_contents(void)
{
    for (int i = 0; i < N_ASSETS; ++i) {
        contents[i].plain = asset_content((enum asset)i);
        reply_pack_constant(&contents[i]);
    }
}

bool asset_answer(h2o_req_t *req, const char *path, size_t len)
{
    enum asset asset = asset_find(path, len);

    if (asset == N_ASSETS)
        return false;
    request_of(req)->route = ROUTE_ASSET;
    if (method_is(req, "OPTIONS")) {
        reply_options(req, METHODS_TO_READ);
        return true;
    }
    pthread_once(&packed, pack_contents);
    h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_VARY, H2O_STRLIT("accept-encoding"), 1);
    /* the hash is that of the content */
    if (h2o_memis(path, len, asset_path(asset), strlen(asset_path(asset))))
        reply_may_be_kept(req, "public, max-age=31536000, immutable");
    reply_constant(req, asset_type(asset), &contents[asset]);
    return true;
}
