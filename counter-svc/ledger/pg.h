/* One connection to PostgreSQL in a worker's loop: it connects, runs one query at a time, notices
 * the loss of the server, and connects again.
 *
 * States:
 *   waiting     for the next round of attempts, at most a second (with jitter)
 *   connecting  resolving a host, or connecting to one of its addresses, each with a deadline. A
 *               round tries the hosts of the URL until one accepts writes. It begins with the host
 *               of the last connection, or with the next host if that one left a query unanswered.
 *               If an address refuses the password, it is tried again with the previous password,
 *               if there is one; the accepted password is tried first from then on
 *   connected   the owner sets the session up (on_connected), then runs queries
 *   closed      after pg_close
 *
 * A query is one statement and its Sync, sent together, so no transaction waits for another message
 * of this process. PG_DONE means that the statement is committed: it follows the server's
 * ReadyForQuery. Rows arrive before the commit. A query is never cancelled, because it could be in
 * the middle of its commit. If a query exceeds its deadline, the connection is dropped.
 *
 * The connection always reads, even while idle, so that the loss of a server is noticed. All calls
 * from the loop's thread.
 */
#ifndef COUNTER_LEDGER_PG_H
#define COUNTER_LEDGER_PG_H

#include "base/invariant.h"
#include "counter-svc/ledger/postgres_url.h"
#include "server/loop/resolver.h"

#include <libpq-fe.h>

enum pg_outcome {
    PG_DONE,   /* committed; `result` has the rows */
    PG_FAILED, /* refused and rolled back; `result` has the error, `sqlstate` its code */
    PG_LOST    /* the connection was lost: the outcome is unknown */
};

struct pg_answer {
    enum pg_outcome outcome;
    const PGresult *result; /* freed after the callback; NULL for PG_LOST */
    const char *sqlstate;   /* five characters; "" unless PG_FAILED */
    const char *message;    /* PostgreSQL's error message, in its language; "" unless PG_FAILED */
    bool warned;            /* the server sent a warning: the commit may not be safe on a standby */
};

/* Runs exactly once for each query, from the loop, after the call that starts the query has
 * returned. */
typedef void (*pg_callback)(void *data, const struct pg_answer *answer);

/* The owner's callbacks. */
struct pg_owner {
    /* There is a new connection, which has no settings yet. */
    void (*on_connected)(void *data);
    /* The connection was lost or could not be made. The next attempt follows automatically. The
     * callback of a query in flight has run before. */
    void (*on_lost)(void *data, const char *reason);
    /* A channel was notified, to which this connection listens, while no query was in flight. The
     * callback must not drop the connection. NULL: the connection does not listen. */
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

/* Starts to connect. `url` must outlive the connection. */
struct pg *pg_open(struct worker *worker, const struct postgres_url *url,
                   uint64_t connect_timeout_ms, const struct pg_owner *owner);

/* Takes NULL. No callback runs afterwards. */
void pg_close(struct pg *pg);

/* Runs SQL text. Several statements are one transaction unless they contain BEGIN or COMMIT. This
 * and the following functions need an idle connection. */
void pg_run_text(struct pg *pg, const char *sql, uint64_t deadline_ms, pg_callback callback,
                 void *data);

/* Prepares a statement under a name. */
void pg_run_prepare(struct pg *pg, const char *name, const char *sql, uint64_t deadline_ms,
                    pg_callback callback, void *data);

/* Runs a prepared statement. The parameters are copied. The result is binary. */
void pg_run_prepared(struct pg *pg, const char *name, const struct pg_parameter *parameters,
                     int count, uint64_t deadline_ms, pg_callback callback, void *data);

/* Drops the connection and connects again; on_lost gets the reason. In the callback of a query of
 * this connection only as the last call. */
void pg_reset(struct pg *pg, const char *reason);

/* The same, but begins with the next host of the URL. For a server that answers, but whose commits
 * are not safe. */
void pg_leave_host(struct pg *pg, const char *reason);

/* Notes that the owner has set the session up. A connection that is lost before counts as a failed
 * attempt: the next pause is longer. */
void pg_set_up_done(struct pg *pg);

/* Returns the server process that was announced during the start (BackendKeyData, PostgreSQL's
 * manual, 55.2). A pooler announces its own number. */
int pg_announced_process(const struct pg *pg);

/* Returns the index of the URL's host that the connection has, or had last. */
size_t pg_host(const struct pg *pg);

/* Connects only to this host of the URL from now on, and drops a connection to another host. In the
 * callback of a query of this connection only as the last call. */
void pg_follow(struct pg *pg, size_t host);

/* Returns how many bytes to add to the parameters of a prepared statement, so that libpq writes its
 * last messages, Execute and Sync, in one call. libpq writes blocks of 8,192 bytes while it
 * assembles messages. If a block ended between the two messages or within Sync, and this process
 * were stopped at that moment, PostgreSQL would stay in the middle of a transaction. No timeout of
 * PostgreSQL ends such a transaction. */
size_t pg_padding(const char *name, const struct pg_parameter *parameters, int count);

/* Returns whether the connection is made and no query is in flight. */
bool pg_is_idle(const struct pg *pg);

#endif
