/* The state and the steps that browse_rows.c (/-/paths) and browse_path.c (/-/paths/ANY/PATH)
 * share. No other file includes it. All calls from the request's loop. */
#ifndef RENDER_PUBLIC_BROWSE_PRIVATE_H
#define RENDER_PUBLIC_BROWSE_PRIVATE_H

#include "proto/api.h"
#include "proto/detail.h"
#include "proto/view.h"
#include "render-svc/public/form.h"
#include "render-svc/public/routes.h"
#include "render-svc/public/trend.h"

/* A request that waits for counter-svc; in the request's pool. */
struct browse {
    h2o_req_t *req;
    struct form form;
    struct view view; /* of /-/paths */
    bool is_export;
    struct read_request read;
    struct trend trend; /* of a page with charts */
    /* the rows or the detail, while the history of the charts is read */
    struct rows rows;
    struct path_detail detail;
    bool is_read;
};

/* Creates the state of a request, in its pool. It is freed with the request. */
struct browse *browse_begin(const struct api_request *request);

/* Starts the read from counter-svc. Frees `target`. */
void browse_start_read(struct browse *browse, struct buffer *target, read_callback callback);

/* Starts to read the history for the charts of a page, at the same time as the rows or the detail:
 * of a path, or with NULL of all paths. Does nothing for an answer without charts. */
void browse_start_trend(struct browse *browse, const char *path, size_t len,
                        trend_callback callback);

/* Returns the history of a chart, or NULL if there is none. */
const struct history *browse_history(const struct browse *browse, enum trend_unit unit);

/* Answers with an error. */
void browse_answer_error(struct browse *browse, int status, const char *detail);

/* Answers a request whose read has failed, and stops reading the history: `answer` is NULL or not a
 * 200. Returns true (read_callback). */
bool browse_answer_failure(struct browse *browse, const struct http_answer *answer);

#endif
