#include "render-svc/public/assets.h"

#include "render-svc/public/render.h"
#include "render-svc/public/reply.h"
#include "server/http/answer.h"
#include "server/http/request.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define FOLDER     "/-/assets/"
#define HASH_BYTES ((size_t)5)

extern const char asset_icon[], asset_icon_end[];
extern const char asset_script[], asset_script_end[];
extern const char asset_style[], asset_style_end[];

static const struct file {
    const char *stem, *ending, *type, *from, *to;
} FILES[N_ASSETS] = {
    [ASSET_ICON] = {FOLDER "icon.", ".svg", "image/svg+xml", asset_icon, asset_icon_end},
    [ASSET_SCRIPT] = {FOLDER "page.", ".js", "text/javascript; charset=utf-8", asset_script,
                      asset_script_end},
    [ASSET_STYLE] = {FOLDER "style.", ".css", "text/css; charset=utf-8", asset_style,
                     asset_style_end},
};

static char paths[N_ASSETS][48];
static struct reply_constant contents[N_ASSETS];
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

/* Names each after its content, and compresses it. */
static void prepare_files(void)
{
    for (int i = 0; i < N_ASSETS; ++i) {
        const struct file *file = &FILES[i];
        unsigned char hash[SHA256_DIGEST_LENGTH];
        char hex[2 * HASH_BYTES + 1];

        SHA256((const unsigned char *)file->from, (size_t)(file->to - file->from), hash);
        for (size_t at = 0; at < HASH_BYTES; ++at)
            snprintf(hex + 2 * at, 3, "%02x", hash[at]);
        snprintf(paths[i], sizeof(paths[i]), "%s%s%s", file->stem, hex, file->ending);
        contents[i].plain = h2o_iovec_init(file->from, (size_t)(file->to - file->from));
        reply_pack_constant(&contents[i]);
    }
}

const char *asset_path(enum asset asset)
{
    pthread_once(&prepared, prepare_files);
    return paths[asset];
}

/* Whether the path is this file's name, with any hash. */
static bool is_named(const struct file *file, const char *path, size_t len)
{
    size_t stem = strlen(file->stem), ending = strlen(file->ending);

    if (len != stem + 2 * HASH_BYTES + ending || memcmp(path, file->stem, stem) != 0 ||
        memcmp(path + len - ending, file->ending, ending) != 0)
        return false;
    for (size_t i = stem; i < len - ending; ++i)
        if (!((path[i] >= '0' && path[i] <= '9') || (path[i] >= 'a' && path[i] <= 'f')))
            return false;
    return true;
}

bool asset_answer(h2o_req_t *req, const char *path, size_t len)
{
    for (int i = 0; i < N_ASSETS; ++i) {
        const struct file *file = &FILES[i];
        const char *own = asset_path((enum asset)i);
        bool current = h2o_memis(path, len, own, strlen(own));

        if (!is_named(file, path, len))
            continue;
        request_of(req)->route = ROUTE_ASSET;
        if (method_is(req, "OPTIONS")) {
            reply_options(req, METHODS_TO_READ);
            return true;
        }
        h2o_set_header(&req->pool, &req->res.headers, H2O_TOKEN_VARY, H2O_STRLIT("accept-encoding"),
                       1);
        if (current)
            reply_may_be_kept(req, "public, max-age=31536000, immutable");
        reply_constant(req, file->type, &contents[i]);
        return true;
    }
    return false;
}
