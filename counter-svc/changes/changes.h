/* Changes of counts by operators, and their audit trail: a session of its own that runs
 * pathcount_change() and pathcount_audit() (schema/005-changes.sql), one at a time.
 *
 * A change is answered as done only after its commit. After any other answer it may have been made
 * all the same; the same change with the same id can be sent again, here or elsewhere. Behind each
 * change the oldest two of the audit trail are deleted if they are older than it is kept. All calls
 * from the loop's thread.
 */
#ifndef COUNTER_CHANGES_CHANGES_H
#define COUNTER_CHANGES_CHANGES_H

#include "counter-svc/changes/change.h"
#include "counter-svc/ledger/session.h"

enum change_outcome {
    CHANGE_DONE,       /* committed, or read */
    CHANGE_REFUSED,    /* nothing was changed, and the same request would be refused again */
    CHANGE_UNAVAILABLE /* the outcome is unknown, or nothing was done */
};

struct change_result {
    enum change_outcome outcome;
    const char *text; /* CHANGE_DONE: JSON; CHANGE_REFUSED: a sentence; else NULL */
    size_t len;
};

/* Runs once for each request that is not cancelled, from the loop; `result` is good during the
 * call. */
typedef void (*change_callback)(void *data, const struct change_result *result);

struct changes;
struct change_request;

/* `settings` must outlive it. The audit trail is kept for `audit_days`; 0: without end. */
struct changes *changes_open(struct worker *worker, const struct session_settings *settings,
                             int64_t max_paths, int64_t audit_days);

/* Takes NULL. No callback runs any more. */
void changes_close(struct changes *changes);

/* Connects to this host of the URL alone from now on; allows the migration that shuts older
 * programs out. */
void changes_follow(struct changes *changes, size_t host);
void changes_migrate(struct changes *changes);

/* Makes a change, of which `json` is what change_decode wrote; empties the buffer. */
struct change_request *changes_make(struct changes *changes, struct buffer *json,
                                    change_callback callback, void *data);

/* Reads the audit trail. */
struct change_request *changes_audit(struct changes *changes, const struct audit_query *query,
                                     change_callback callback, void *data);

/* The callback does not run; what has left for PostgreSQL goes on. */
void change_cancel(struct change_request *request);

#endif
