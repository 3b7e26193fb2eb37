/* The handlers of the internal API (proto/counter-api.yml), and the steps that they share.
 *
 * api.c authorizes a request and finds its handler. Each handler's file reads from top to bottom:
 * the request, then its answer once the journal, a view or a change has a result. Each of these
 * gives a result within a deadline. A request whose connection closes earlier is cancelled.
 *
 * All calls from the request's loop.
 */
#ifndef COUNTER_API_H
#define COUNTER_API_H

#include "base/buffer.h"
#include "counter-svc/counter.h"

/* The longest X-Request-Id that is echoed. */
#define API_MAX_ID_BYTES 128

/* --- handlers; the request has been authorized --- */

/* POST /v1/hits (api_hits.c) */
void api_hits(struct counter *counter, h2o_req_t *req);

/* POST /v1/lanes (api_lanes.c) */
void api_new_lane(struct counter *counter, h2o_req_t *req);

/* GET /v1/paths, /v1/paths/{path}, /v1/totals and /v1/history (api_reads.c) */
void api_rows(struct counter *counter, h2o_req_t *req);
void api_path(struct counter *counter, h2o_req_t *req);
void api_totals(struct counter *counter, h2o_req_t *req);
void api_history(struct counter *counter, h2o_req_t *req);

/* POST and GET /v1/changes (api_changes.c) */
void api_make_change(struct counter *counter, h2o_req_t *req);
void api_audit(struct counter *counter, h2o_req_t *req);

/* --- steps that handlers share (api.c) --- */

/* Reads from the query of the request which rows it wants. Returns 0, or -1 after a 400. */
int api_read_view(h2o_req_t *req, struct view *view) __attribute__((warn_unused_result));

/* Answers 200 with a copy of this JSON, or 503 if slow clients leave no room for it. `age_ms`: how
 * far the JSON is behind the counts. */
void api_answer_json(h2o_req_t *req, const char *json, size_t len, int64_t age_ms);

/* Answers 503 with Retry-After, and logs it. `detail` is a sentence. */
void api_answer_later(h2o_req_t *req, const char *detail);

/* The same, because PostgreSQL is unavailable. */
void api_answer_unavailable(h2o_req_t *req);

/* Answers a request whose view could not be read: with its refusal, or 503. */
void api_answer_unread(h2o_req_t *req, const struct view_result *result);

/* Adds the header Age (RFC 9111, 5.1) unless `age_ms` is 0. */
void api_add_age(h2o_req_t *req, int64_t age_ms);

#endif
