/* /-/openapi.yml: the description of the public API, for programs. */

#include "render-svc/html/link.h"
#include "render-svc/public/reply.h"
#include "render-svc/public/routes.h"
#include "server/http/answer.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

/* proto/public-api.yml, compiled in by openapi_file.S */
extern const char openapi_file[], openapi_file_end[];

static struct reply_constant file;
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

/* Replaces the address of the server by the base. */
static void prepare(void)
{
    static const char SERVER[] = "\nservers:\n  - url: ";
    const char *from = openapi_file, *to = openapi_file_end;
    const char *at = memmem(from, (size_t)(to - from), SERVER, sizeof(SERVER) - 1);
    struct buffer text = {0};

    assert(at != NULL);
    at += sizeof(SERVER) - 1; /* at the slash */
    buffer_add(&text, from, (size_t)(at - from));
    buffer_add_string(&text, link_base.len != 0 ? link_base.at : "/");
    buffer_add(&text, at + 1, (size_t)(to - at - 1));
    file.plain = h2o_strdup(NULL, text.bytes, text.len);
    buffer_free(&text);
    reply_pack_constant(&file);
}

void openapi_answer(const struct api_request *request)
{
    pthread_once(&prepared, prepare);
    reply_may_be_kept(request->req, "public, max-age=3600");
    if (request_header(request->req, "origin").base == NULL) /* caches use a copy for all origins */
        answer_header_named(request->req, "access-control-allow-origin", "*");
    reply_constant(request->req, "application/yaml", &file);
}
