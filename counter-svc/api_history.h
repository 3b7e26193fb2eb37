/* GET /v1/history of the internal API: hits by hour or day. */
#ifndef COUNTER_API_HISTORY_H
#define COUNTER_API_HISTORY_H

#include "counter-svc/counter.h"

/* Handles the request, which has been authorized. */
void api_history(struct counter *counter, h2o_req_t *req);

/* Adds the header Age when what was read is behind what is counted. In api.c. */
void api_add_age(h2o_req_t *req, int64_t age_ms);

/* Answers a request whose view could not be read: with its refusal, or 503. In api.c. */
void api_answer_unread(h2o_req_t *req, const struct view_result *result);

#endif
