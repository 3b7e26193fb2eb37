/* Whether a connection has a server process of its own, or a pooler shares processes between
 * clients.
 *
 * Settings and prepared statements belong to a server process. With transaction or statement
 * pooling a statement may run in the process of another session: it fails, or it runs with that
 * session's settings, for example without waiting for the disk. So nothing is set up in such a
 * connection.
 *
 * The check takes up to three steps:
 *   1. The connection reports the process that serves it (pg_backend_pid). If that is the process
 *      that was announced when the connection was made, there is no pooler. A pooler announces a
 *      number of its own, as it has no process yet.
 *   2. A second connection, the witness, is made and reports its process. Two connections that are
 *      open at the same time and report one process share it.
 *   3. The connection listens to a channel of its own and the witness notifies it. The notification
 *      must arrive while the connection has no transaction. With session pooling it does. A pooler
 *      that shares processes does not know whose it is and drops it.
 *
 * Step 2 refuses a shared process at once in nearly every case. Only step 3 proves that a process
 * is not shared: whatever other clients of the pool do, a shared process never passes it.
 *
 * All calls from the loop's thread; there is one such thread.
 */
#ifndef COUNTER_LEDGER_POOLER_H
#define COUNTER_LEDGER_POOLER_H

#include "counter-svc/ledger/pg.h"
#include "counter-svc/ledger/refusal.h"

/* `problem` is NULL when the process belongs to the connection; otherwise a reason, good during
 * the call: the connection is to be dropped. */
typedef void (*pooler_callback)(void *data, const char *problem);

/* The check of a connection, and its process while the connection is open. Zeroed before its
 * first use. */
struct pooler_check {
    h2o_linklist_t _link; /* among the connections through a pooler whose process is known */
    struct worker *_worker;
    const struct postgres_url *_url;
    uint64_t _connect_timeout_ms, _query_timeout_ms;
    struct pg *_pg;
    struct pg *_witness; /* NULL: none */
    int _process;
    bool _is_notified; /* by the witness */
    char _channel[32];
    struct timer _deadline;
    pooler_callback _callback;
    void *_data;
};

/* Checks a connection that is idle and has just been made. The callback runs exactly once unless
 * the connection is lost or the check is stopped first. The caller may drop the connection in
 * it, as the last thing, and runs nothing on the connection before. `url` must outlive the
 * check.
 *
 * A connection that has passed may be refused later, by one more callback, when the check of
 * another connection finds that processes are shared: the mode of a pooler can change while it
 * runs. */
void pooler_check_start(struct pooler_check *check, struct worker *worker,
                        const struct postgres_url *url, uint64_t connect_timeout_ms,
                        uint64_t query_timeout_ms, struct pg *pg, pooler_callback callback,
                        void *data);

/* To be called when the connection is notified of a channel. */
void pooler_check_note(struct pooler_check *check, const char *channel);

/* To be called when the connection is lost or closed: ends a check that is under way, and
 * forgets the connection's process. */
void pooler_check_stop(struct pooler_check *check);

#endif
