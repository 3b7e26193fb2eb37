#include "render-svc/html/assets.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define FOLDER     "/-/assets/"
#define HASH_BYTES ((size_t)5)

/* assets_files.S */
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
static pthread_once_t named = PTHREAD_ONCE_INIT;

/* Puts the hash of each file's content into its path. */
static void name_files(void)
{
    for (int i = 0; i < N_ASSETS; ++i) {
        const struct file *file = &FILES[i];
        unsigned char hash[SHA256_DIGEST_LENGTH];
        char hex[2 * HASH_BYTES + 1];

        SHA256((const unsigned char *)file->from, (size_t)(file->to - file->from), hash);
        for (size_t at = 0; at < HASH_BYTES; ++at)
            snprintf(hex + 2 * at, 3, "%02x", hash[at]);
        snprintf(paths[i], sizeof(paths[i]), "%s%s%s", file->stem, hex, file->ending);
    }
}

const char *asset_path(enum asset asset)
{
    pthread_once(&named, name_files);
    return paths[asset];
}

/* Returns whether the path is this file's, with any hash. */
static bool is_path_of(const struct file *file, const char *path, size_t len)
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

enum asset asset_find(const char *path, size_t len)
{
    int i = 0;

    while (i < N_ASSETS && !is_path_of(&FILES[i], path, len))
        ++i;
    return (enum asset)i;
}

const char *asset_type(enum asset asset)
{
    return FILES[asset].type;
}

h2o_iovec_t asset_content(enum asset asset)
{
    return h2o_iovec_init(FILES[asset].from, (size_t)(FILES[asset].to - FILES[asset].from));
}
