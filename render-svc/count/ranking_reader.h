/* Reads the first rows of the ranking for requests that did not get them with the answer to their
 * hit.
 *
 * One read serves all requests that wait when it is sent. A request that starts to wait while a
 * read is in flight waits for the next read: the first one may have read the rows before the hit
 * was counted. A worker has at most two reads in flight. A read that fails is sent again after a
 * pause, as long as a request waits.
 *
 * All calls from the loop's thread.
 */
#ifndef RENDER_COUNT_RANKING_READER_H
#define RENDER_COUNT_RANKING_READER_H

#include "render-svc/count/counter_client.h"
#include "render-svc/count/shared_rows.h"

struct ranking_reader;
struct ranking_wait;

/* Receives the rows, which are valid during the callback. Runs exactly once unless the wait is
 * cancelled, from the loop, never before ranking_wait_start returns. */
typedef void (*ranking_callback)(struct ranking_wait *wait, struct shared_rows *rows);

/* A request that waits. Lives in the caller's object, zeroed before its first use. */
struct ranking_wait {
    h2o_linklist_t _link;
    ranking_callback _callback;
};

/* `client` must outlive the reader. */
struct ranking_reader *ranking_reader_create(struct worker *worker, struct counter_client *client);

/* No callback runs afterwards. Takes NULL. */
void ranking_reader_destroy(struct ranking_reader *reader);

/* Waits for rows that are read after this call. */
void ranking_wait_start(struct ranking_reader *reader, struct ranking_wait *wait,
                        ranking_callback callback);

/* Does nothing if the wait has ended or was never started, as for most hits. */
static inline void ranking_wait_cancel(struct ranking_wait *wait)
{
    if (h2o_linklist_is_linked(&wait->_link))
        h2o_linklist_unlink(&wait->_link);
}

#endif
