/* The form of an answer, a page, JSON or CSV: how a request chooses it, and how it is sent. From
 * the request's loop. */
#ifndef RENDER_PUBLIC_FORM_H
#define RENDER_PUBLIC_FORM_H

#include "base/buffer.h"
#include "render-svc/public/accept.h"
#include "render-svc/public/routes.h"

struct form {
    enum accept_form type;
    bool with_bom; /* CSV begins with a byte-order mark */
};

/* Takes format= and bom= out of the query; `rest` gets the other parameters. Without format=,
 * Accept decides. Returns NULL, or a sentence that says which value is wrong. */
const char *form_read(struct form *form, const struct api_request *request, h2o_iovec_t *rest)
    __attribute__((warn_unused_result));

/* Answers with a body in this form. Frees the body. */
void form_answer(h2o_req_t *req, const struct form *form, struct buffer *body);

#endif
