/* The form in which something is to be seen, as a page, as JSON or as CSV: what asks for it, and what an answer in it
 * is. From the request's loop. */
#ifndef RENDER_PUBLIC_FORM_H
#define RENDER_PUBLIC_FORM_H

#include "base/buffer.h"
#include "render-svc/public/accept.h"
#include "render-svc/public/reserved.h"

struct form {
    enum accept_form type;
    bool with_bom; /* CSV begins with a byte-order mark */
};

/* Takes format= and bom= out of the query; what is left goes to `rest`. Without format= the form is the one that is
 * accepted best. Returns NULL, or a sentence about a value that is wrong. */
const char *form_read(struct form *form, const struct api_request *request, h2o_iovec_t *rest)
    __attribute__((warn_unused_result));

/* Answers with a body in this form, which is freed. */
void form_answer(h2o_req_t *req, const struct form *form, struct buffer *body);

#endif
