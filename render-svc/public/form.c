#include "render-svc/public/form.h"

#include "render-svc/html/query.h"
#include "render-svc/public/reply.h"
#include "server/http/answer.h"

#include <string.h>

/* Reads the form: the one that format= names, otherwise the one that Accept prefers. */
static const char *read_format(const struct api_request *request, h2o_iovec_t name,
                               enum accept_form *form)
{
    static const char *const NAMES[] = {
        [ACCEPT_HTML] = "html", [ACCEPT_JSON] = "json", [ACCEPT_CSV] = "csv"};
    h2o_iovec_t accept = request_header(request->req, "accept");

    *form = accept_choose(accept.base, accept.len, true);
    if (name.base == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); ++i) {
        if (!h2o_memis(name.base, name.len, NAMES[i], strlen(NAMES[i])))
            continue;
        *form = (enum accept_form)i;
        return NULL;
    }
    return "\"format\" is not html, json or csv.";
}

static const char *read_bom(h2o_iovec_t value, struct form *form)
{
    if (value.base == NULL)
        return NULL;
    if (!h2o_memis(value.base, value.len, H2O_STRLIT("0")) &&
        !h2o_memis(value.base, value.len, H2O_STRLIT("1")))
        return "\"bom\" is not 0 or 1.";
    if (form->type != ACCEPT_CSV)
        return "\"bom\" is for CSV: add format=csv.";
    form->with_bom = value.base[0] == '1';
    return NULL;
}

const char *form_read(struct form *form, const struct api_request *request, h2o_iovec_t *rest)
{
    static const char *const NAMES[] = {"format", "bom"};
    h2o_iovec_t values[2];
    const char *error =
        query_take(&request->req->pool, request->query, request->query_len, NAMES, 2, values, rest);

    *form = (struct form){.type = ACCEPT_HTML};
    if (error == NULL)
        error = read_format(request, values[0], &form->type);
    if (error == NULL)
        error = read_bom(values[1], form);
    return error;
}

/* Browsers save JSON and CSV as files. Otherwise Firefox would show JSON in a page of its own and
 * request /favicon.ico, whatever the policy of the answer, and that request would be counted. */
void form_answer(h2o_req_t *req, const struct form *form, struct buffer *body)
{
    static const char *const TYPES[] = {
        [ACCEPT_HTML] = TYPE_HTML, [ACCEPT_JSON] = TYPE_JSON, [ACCEPT_CSV] = TYPE_CSV};

    if (form->type == ACCEPT_JSON)
        answer_header_named(req, "content-disposition", "attachment; filename=\"pathcount.json\"");
    else if (form->type == ACCEPT_CSV)
        answer_header_named(req, "content-disposition", "attachment; filename=\"pathcount.csv\"");
    reply_copy(req, TYPES[form->type], body->bytes, body->len, form->type != ACCEPT_HTML);
    buffer_free(body);
}
