/* /-/openapi.yml: the description of the public API, for programs. */

#include "render-svc/own.h"
#include "render-svc/reply.h"
#include "service/answer.h"

#include <pthread.h>

/* proto/public-api.yml, compiled in by openapi_file.S */
extern const char openapi_file[], openapi_file_end[];

static struct reply_constant file;
static pthread_once_t prepared = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    const char *from = openapi_file, *to = openapi_file_end;

    file.plain = h2o_iovec_init(from, (size_t)(to - from));
    reply_pack_constant(&file);
}

void openapi_answer(const struct asked *asked)
{
    pthread_once(&prepared, prepare);
    reply_may_be_kept(asked->req, "public, max-age=3600");
    answer_header_named(asked->req, "access-control-allow-origin", "*");
    reply_constant(asked->req, "application/yaml", &file);
}
