/* A connection that is set up for the ledger, with its settings, schema and prepared statements.
 * After a loss it is made and set up again automatically.
 *
 *                    connected             its own process
 *     +------------+ --------> +----------+ -------------> +------------+ prepared  +-------+
 *     | CONNECTING |           | CHECKING |                | SETTING UP | --------> | READY |
 *     +------------+ <-+       +----------+                +------------+           +-------+
 *                      |            |        older schema     |      ^ session_migrate  |
 *                      |            |                         v      |                  |
 *                      |            |                    +--------------------+         |
 *                      |            |                    | AWAITING MIGRATION |         |
 *                      |            v                    +--------------------+         |
 *                      +---- the connection is lost, or dropped after an error <--------+
 *
 *   CHECKING    a connection is not set up if a pooler shares its server process (pooler.h)
 *   SETTING UP  the steps of session_setup.c
 *
 * Every state leads back to CONNECTING when the connection is lost, also AWAITING MIGRATION.
 *
 * All calls from the loop's thread.
 */
#ifndef COUNTER_LEDGER_SESSION_H
#define COUNTER_LEDGER_SESSION_H

#include "counter-svc/ledger/pg.h"
#include "counter-svc/ledger/statement.h"

/* Must outlive the sessions. */
struct session_settings {
    struct postgres_url url;
    int64_t connect_timeout_ms;
    int64_t statement_timeout_ms;
    int64_t lock_timeout_ms;
};

struct session_owner {
    /* The session is READY or AWAITING MIGRATION. */
    void (*on_ready)(void *data);
    /* The connection was lost, or could not be made. The callback of a statement in flight has run
     * before. */
    void (*on_lost)(void *data);
    void *data;
};

struct session;

struct session *session_open(struct worker *worker, const struct session_settings *settings,
                             enum session_role role, const struct session_owner *owner);

/* Takes NULL. No callback runs afterwards. */
void session_close(struct session *session);

/* Returns whether it is AWAITING MIGRATION: older programs work with the ledger, and the migration
 * would exclude them. */
bool session_awaits_migration(const struct session *session);

/* Allows that migration, now and later, and runs it if the session awaits it. */
void session_migrate(struct session *session);

/* Returns why the session cannot be used: a sentence without secrets that is never freed. NULL if
 * it is READY or AWAITING MIGRATION. */
const char *session_problem(const struct session *session);

/* Returns whether it is READY. */
bool session_is_ready(const struct session *session);

/* Returns whether it is READY and no statement is in flight. */
bool session_is_idle(const struct session *session);

/* Runs a statement of the session's role in its own transaction; pg.h explains the answer. The
 * session must be idle. The parameters are in PostgreSQL's binary format and are copied; the result
 * is binary, too. */
void session_run(struct session *session, enum statement statement,
                 const struct pg_parameter *parameters, int count, pg_callback callback,
                 void *data);

/* Returns how many bytes to add to the statement's parameters (pg_padding). */
size_t session_padding(enum statement statement, const struct pg_parameter *parameters, int count);

/* Run SQL text. The result is text; several statements are one transaction. session_run_long has a
 * deadline of an hour. */
void session_run_text(struct session *session, const char *sql, pg_callback callback, void *data);
void session_run_long(struct session *session, const char *sql, pg_callback callback, void *data);

/* Returns whether the URL names several hosts. If so, another host may have replaced the connected
 * one, which may not have noticed it. */
bool session_has_several_hosts(const struct session *session);

/* Returns the time after which the connection is dropped if a statement is not answered, in ms. */
uint64_t session_deadline_ms(const struct session *session);

/* Returns the index of the URL's host that the session is connected to, or was last. */
size_t session_host(const struct session *session);

/* Connects only to this host from now on, and drops a connection to another host, which may be a
 * server that was replaced and still accepts connections. */
void session_follow(struct session *session, size_t host);

/* Drops the connection and makes a new one, to the next host of the URL if there are several. For a
 * server whose commits are not safe. In a statement's callback only as the last call. */
void session_leave_host(struct session *session, const char *reason);

/* Drops the connection and makes a new one. For an answer of an unknown form. In a statement's
 * callback only as the last call. */
void session_reset(struct session *session, const char *reason);

/* The same for a statement that PostgreSQL refused. The reason is `what`, the beginning of a
 * sentence, and PostgreSQL's message. Leaves a host that accepts no writes. */
void session_fail(struct session *session, const char *what, const struct pg_answer *answer);

#endif
