/* Whether a connection has a server process of its own, or a pooler shares processes between
 * clients.
 *
 * Settings and prepared statements belong to a server process. With transaction or statement
 * pooling, a statement may run in the process of another session. It then fails, or runs with that
 * session's settings, for example without waiting for the disk. Such a connection is therefore not
 * used.
 *
 * The check takes up to three steps:
 *   1. The connection reports the process that serves it (pg_backend_pid). If this process was
 *      announced when the connection was made, there is no pooler. A pooler announces its own
 *      number, because it has no process yet.
 *   2. A second connection, the witness, is made and reports its process. Two open connections that
 *      report the same process share it.
 *   3. The connection listens to a new channel, and the witness notifies this channel. The
 *      notification must arrive while the connection has no transaction. With session pooling it
 *      does. A pooler that shares processes does not know the receiver, and drops it.
 *
 * Step 2 detects nearly every shared process at once. Only step 3 proves that a process is not
 * shared: a shared process never passes it.
 *
 * All calls from the loop's thread; there is one such thread.
 */
#ifndef COUNTER_LEDGER_POOLER_H
#define COUNTER_LEDGER_POOLER_H

#include "counter-svc/ledger/pg.h"
#include "counter-svc/ledger/refusal.h"

/* `problem` is NULL if the process belongs to the connection. Otherwise it is a reason, valid
 * during the call, and the owner must drop the connection. */
typedef void (*pooler_callback)(void *data, const char *problem);

/* The check of a connection and, while the connection is open, its process. Zeroed before its first
 * use. */
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

/* Checks a new, idle connection, which the owner does not use until the callback. The callback runs
 * exactly once unless the connection is lost or the check is stopped before. It may drop the
 * connection as its last call. `url` must outlive the check.
 *
 * A connection that has passed may be refused later by a second callback, when the check of another
 * connection finds that processes are shared. The mode of a pooler can change while it runs. */
void pooler_check_start(struct pooler_check *check, struct worker *worker,
                        const struct postgres_url *url, uint64_t connect_timeout_ms,
                        uint64_t query_timeout_ms, struct pg *pg, pooler_callback callback,
                        void *data);

/* Call it when the connection is notified of a channel. */
void pooler_check_note(struct pooler_check *check, const char *channel);

/* Call it when the connection is lost or closed: ends the check, and removes the connection's
 * process. */
void pooler_check_stop(struct pooler_check *check);

#endif
