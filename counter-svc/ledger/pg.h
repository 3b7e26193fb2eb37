/* One connection to PostgreSQL in a worker's loop: it connects, runs one query at a time, notices
 * when the server is gone, and connects again.
 *
 * States:
 *   waiting     for the next attempt, at most a second (with jitter)
 *   connecting  resolving a host, or talking to one of its addresses, each with a deadline; a list
 *               of hosts is gone through until one accepts writes. The first to be tried is the host
 *               of the last connection, or the next one if that host left a query unanswered. An address that asks for a
 *               password and refuses it is asked again with the previous one, if there is one, and
 *               whichever was let in is offered first from then on
 *   connected   the owner sets its session up (on_connected), then runs queries
 *   closed      after pg_close
 *
 * A query is one statement and its Sync, sent together, so no transaction ever waits for a second
 * message of ours. It has been committed when its callback says PG_DONE: that is after the server's
 * ReadyForQuery, not when rows arrive, which come before the commit. A query is never cancelled: it
 * could be in the middle of its commit. One that overstays its deadline costs the connection.
 *
 * Reading is always on, also while idle, or a server that died would not be seen.
 * All calls from the loop's thread.
 */
#ifndef COUNTER_LEDGER_PG_H
#define COUNTER_LEDGER_PG_H

#include "counter-svc/ledger/postgres_url.h"
#include "server/loop/resolver.h"

#include <libpq-fe.h>

enum pg_outcome {
    PG_DONE,   /* committed; `result` has the rows */
    PG_FAILED, /* refused and rolled back; `result` has the error, `sqlstate` its code */
    PG_LOST    /* the connection went: nobody knows whether it was committed */
};

struct pg_answer {
    enum pg_outcome outcome;
    const PGresult *result; /* freed after the callback; NULL for PG_LOST */
    const char *sqlstate;   /* five characters; "" unless PG_FAILED */
    const char *message;    /* PostgreSQL's error message, in its language; "" unless PG_FAILED */
    bool warned;            /* the server sent a warning: the commit may not be safe on a standby */
};

/* Runs exactly once for each query, from the loop, never before the call that starts it returns. */
typedef void (*pg_callback)(void *data, const struct pg_answer *answer);

/* What a connection tells its owner. */
struct pg_owner {
    /* A new connection: nothing is set up in it. */
    void (*on_connected)(void *data);
    /* The connection is gone, or could not be made; the next attempt follows by itself. A query
     * that was under way has had its callback. */
    void (*on_lost)(void *data, const char *reason);
    /* Another session has notified a channel that this one listens to, while no query was under
     * way. It does not drop the connection. NULL: nothing is listened to. */
    void (*on_notified)(void *data, const char *channel);
    void *data;
};

/* A parameter in PostgreSQL's binary format. */
struct pg_parameter {
    const char *bytes;
    size_t len;
};
#define PG_MAX_PARAMETERS 14

struct pg;

/* Makes a connection and starts to connect. `url` must outlive it. */
struct pg *pg_open(struct worker *worker, const struct postgres_url *url,
                   uint64_t connect_timeout_ms, const struct pg_owner *owner);

/* Ends it; no callback runs any more. Takes NULL. */
void pg_close(struct pg *pg);

/* Runs SQL text (several statements are one transaction, unless they say otherwise). */
void pg_run_text(struct pg *pg, const char *sql, uint64_t deadline_ms, pg_callback callback,
                 void *data);

/* Prepares a statement under a name. */
void pg_run_prepare(struct pg *pg, const char *name, const char *sql, uint64_t deadline_ms,
                    pg_callback callback, void *data);

/* Runs a prepared statement; parameters are copied, the result is binary. */
void pg_run_prepared(struct pg *pg, const char *name, const struct pg_parameter *parameters,
                     int count, uint64_t deadline_ms, pg_callback callback, void *data);

/* Drops the connection, for a reason that is reported to on_lost, and connects again. Not from
 * within a query's callback of the same connection: use it as the last thing there. */
void pg_reset(struct pg *pg, const char *reason);

/* The same, and begins with the next host of the URL: for a server that answers, but whose commits are
 * not safe. */
void pg_leave_host(struct pg *pg, const char *reason);

/* The connection has been set up. When one is dropped before that, the pause before the next
 * attempt grows as after an attempt that failed. */
void pg_set_up_done(struct pg *pg);

/* The number of the server process that was announced when the connection was made (BackendKeyData,
 * PostgreSQL's manual, 55.2). A pooler announces a number of its own. */
int pg_announced_process(const struct pg *pg);

/* Which host of the URL it is connected to, or was last. */
size_t pg_host(const struct pg *pg);

/* Connects to this host of the URL alone from now on; leaves another one. Not from within a query's
 * callback of the same connection. */
void pg_follow(struct pg *pg, size_t host);

/* How many bytes more the parameters of a prepared statement should have, so that libpq hands its last
 * messages, Execute and Sync, to the kernel in one write. libpq writes blocks of 8,192 bytes while it
 * puts messages together; one that ends between the two, or within Sync, would leave PostgreSQL in the
 * middle of a transaction for as long as this process is stopped then, and no timeout of PostgreSQL
 * ends that. */
size_t pg_padding(const char *name, const struct pg_parameter *parameters, int count);

/* Whether a query can be started now. */
bool pg_is_idle(const struct pg *pg);

#endif
