/* The routes of the internal API that operators use: changes of counts, and their audit trail. */
#ifndef COUNTER_API_CHANGES_H
#define COUNTER_API_CHANGES_H

#include "counter-svc/counter.h"

/* POST and GET /v1/changes; the request has been authorized. */
void api_make_change(struct counter *counter, h2o_req_t *req);
void api_audit(struct counter *counter, h2o_req_t *req);

/* Answers 503, with Retry-After, and logs it: for a reason, or because PostgreSQL cannot be used. In api.c. */
void api_answer_later(h2o_req_t *req, const char *detail);
void api_answer_unavailable(h2o_req_t *req);

#endif
