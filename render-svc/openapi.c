/* /-/openapi.yml: the description of the public API, for programs. */

#include "render-svc/own.h"
#include "render-svc/reply.h"
#include "service/answer.h"

/* proto/public-api.yml, compiled in by openapi_file.S */
extern const char openapi_file[], openapi_file_end[];

void openapi_answer(const struct asked *asked)
{
    const char *from = openapi_file, *to = openapi_file_end;
    h2o_iovec_t file = h2o_iovec_init(from, (size_t)(to - from));

    reply_may_be_kept(asked->req, "public, max-age=3600");
    answer_header_named(asked->req, "access-control-allow-origin", "*");
    answer_parts(asked->req, 200, "application/yaml", &file, 1);
}
