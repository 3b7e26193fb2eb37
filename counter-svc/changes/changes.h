/* Changes of counts by operators, and their audit trail: pathcount_change() and pathcount_audit()
 * (schema/005-changes.sql), one at a time, on a session of their own.
 *
 *     QUEUED --the session is idle--> IN FLIGHT --committed-------------------> DONE
 *        |                                |------refused by SQL-----------------> REFUSED
 *        +--deadline, or queue full--+    |------lost, or another failure-------> UNAVAILABLE
 *                                    +------------------------------------------> UNAVAILABLE
 *
 * Only DONE proves that a change is committed. After UNAVAILABLE it may be committed, too: the
 * client can send it again with the same id, to any counter-svc. After each change two of the
 * oldest changes are deleted from the audit trail if they have exceeded its retention. All calls
 * from the loop's thread.
 */
#ifndef COUNTER_CHANGES_CHANGES_H
#define COUNTER_CHANGES_CHANGES_H

#include "counter-svc/changes/change.h"
#include "counter-svc/ledger/session.h"

enum change_outcome {
    CHANGE_DONE,       /* committed, or read */
    CHANGE_REFUSED,    /* nothing was changed; the same request would be refused again */
    CHANGE_UNAVAILABLE /* the outcome is unknown, or the request was not sent */
};

struct change_result {
    enum change_outcome outcome;
    const char *text; /* CHANGE_DONE: JSON; CHANGE_REFUSED: a sentence; else NULL */
    size_t len;
};

/* Runs exactly once for each request that is not cancelled, from the loop; `result` is valid during
 * the call. */
typedef void (*change_callback)(void *data, const struct change_result *result);

struct changes;
struct change_request;

/* `settings` must outlive it. `audit_days` is the retention of the audit trail; 0: unlimited. */
struct changes *changes_open(struct worker *worker, const struct session_settings *settings,
                             int64_t max_paths, int64_t audit_days);

/* Takes NULL. No callback runs afterwards. */
void changes_close(struct changes *changes);

/* Connects only to this host of the URL from now on; allows the migration that excludes older
 * programs. */
void changes_follow(struct changes *changes, size_t host);
void changes_migrate(struct changes *changes);

/* Makes the change that change_decode wrote to `json`; takes the buffer over. */
struct change_request *changes_make(struct changes *changes, struct buffer *json,
                                    change_callback callback, void *data);

/* Reads the audit trail. */
struct change_request *changes_audit(struct changes *changes, const struct audit_query *query,
                                     change_callback callback, void *data);

/* Cancels a request: its callback does not run. A change that is in flight may be committed. */
void change_cancel(struct change_request *request);

#endif
