/* A connection that is set up for the ledger: with its settings, schema and prepared statements. A
 * lost connection is made and set up again automatically.
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
 * CHECKING: a connection whose server process a pooler shares is never set up (pooler.h).
 * SETTING UP: the steps of session_setup.c.
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
    /* The connection was lost, or could not be made. The callback of a statement in flight ran
     * before. */
    void (*on_lost)(void *data);
    void *data;
};

struct session;

struct session *session_open(struct worker *worker, const struct session_settings *settings,
                             enum session_role role, const struct session_owner *owner);

/* Takes NULL. No callback runs afterwards. */
void session_close(struct session *session);

/* Whether it is AWAITING MIGRATION: older programs work with the ledger, and the migration excludes
 * them. */
bool session_awaits_migration(const struct session *session);

/* Allows that migration, now and later, and runs it if the session awaits it. */
void session_migrate(struct session *session);

/* Why the session cannot be used: a sentence without secrets that is never freed. NULL when it is
 * READY or AWAITING MIGRATION. */
const char *session_problem(const struct session *session);

/* Whether it is READY. */
bool session_is_ready(const struct session *session);

/* Whether it is READY and no statement is in flight. */
bool session_is_idle(const struct session *session);

/* Runs a statement of the session's role in its own transaction; pg.h explains the answer. The
 * session must be idle. The parameters are in PostgreSQL's binary format and are copied; the result
 * is binary, too. */
void session_run(struct session *session, enum statement statement,
                 const struct pg_parameter *parameters, int count, pg_callback callback,
                 void *data);

/* How many bytes to add to the statement's parameters; see pg_padding. */
size_t session_padding(enum statement statement, const struct pg_parameter *parameters, int count);

/* Runs SQL text, whose result is text; several statements are one transaction. session_run_long
 * allows it an hour. */
void session_run_text(struct session *session, const char *sql, pg_callback callback, void *data);
void session_run_long(struct session *session, const char *sql, pg_callback callback, void *data);

/* Whether the URL names more than one host. Then another host may have replaced the connected one,
 * which may not have noticed that. */
bool session_has_several_hosts(const struct session *session);

/* How long a statement may go unanswered, in ms, before the connection is dropped. */
uint64_t session_deadline_ms(const struct session *session);

/* The index of the URL's host that it is connected to, or was last. */
size_t session_host(const struct session *session);

/* Connects only to this host from now on, and leaves another one: that may be a server that was
 * replaced and still accepts connections. */
void session_follow(struct session *session, size_t host);

/* Drops the connection and makes a new one, to the next host of the URL if it has several: for a
 * server whose commits are not safe. In a statement's callback only as the last call. */
void session_leave_host(struct session *session, const char *reason);

/* Drops the connection and makes a new one: for an answer of an unknown form. In a statement's
 * callback only as the last call. */
void session_reset(struct session *session, const char *reason);

/* The same for a statement that PostgreSQL refused. The reason is `what`, the beginning of a
 * sentence, and PostgreSQL's message. Leaves a host that accepts no writes. */
void session_fail(struct session *session, const char *what, const struct pg_answer *answer);

#endif
