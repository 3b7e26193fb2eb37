/* A connection that is set up for the ledger: settings, schema and prepared statements. When it is
 * lost, it comes back by itself and is set up again. A connection whose server process a pooler
 * shares with others is never set up (pooler.h).
 */
#ifndef COUNTER_LEDGER_SESSION_H
#define COUNTER_LEDGER_SESSION_H

#include "counter-svc/ledger/pg.h"
#include "counter-svc/ledger/rows_sql.h"
#include "counter-svc/ledger/schema.h"

/* What a session is for. Each session prepares its own statements alone: should a pooler ever
 * lead one session to another's server process, its statements do not exist there. */
enum session_role {
    SESSION_JOURNAL,
    SESSION_FOLDS, /* its commits are not waited for: what it does can be done again */
    SESSION_VIEWS,
    SESSION_CHANGES,
    SESSION_RANKING /* runs SQL text only */
};

enum statement {
    STATEMENT_APPEND,
    STATEMENT_LOAD,
    STATEMENT_CATCH_UP,
    STATEMENT_HEAD,
    STATEMENT_LOOK_UP,
    STATEMENT_FOLD,
    STATEMENT_FOLD_ROW_BY_ROW,
    STATEMENT_CLEAR,
    STATEMENT_HISTORY_STEP,
    STATEMENT_HISTORY_SETTINGS,
    STATEMENT_PATH,
    STATEMENT_HISTORY,
    STATEMENT_CHANGE,
    STATEMENT_AUDIT,
    STATEMENT_FORGET_CHANGES,
    STATEMENT_ROWS, /* the first of those that rows_sql.h numbers */
    N_STATEMENTS = STATEMENT_ROWS + ROWS_SQL_N
};

/* What sessions are made with; must outlive them. */
struct session_settings {
    struct postgres_url url;
    int64_t connect_timeout_ms;
    int64_t statement_timeout_ms;
    int64_t lock_timeout_ms;
};

struct session_owner {
    /* It can run statements, or it awaits its migration. */
    void (*on_ready)(void *data);
    /* It cannot any more, or could not be made. Comes after the callback of a statement that was
     * under way. */
    void (*on_lost)(void *data);
    void *data;
};

struct session;

struct session *session_open(struct worker *worker, const struct session_settings *settings,
                             enum session_role role, const struct session_owner *owner);

/* Takes NULL. No callback runs any more. */
void session_close(struct session *session);

/* Whether the ledger is an older program's, which could not count any more after it was brought up to
 * this program's schema; and does that. A session that does not await it may be told to all the same,
 * for when it does. */
bool session_awaits_migration(const struct session *session);
void session_migrate(struct session *session);

/* Why it cannot be used, a sentence that is good until the process ends; NULL when it is set up, or will
 * be once it has been told to migrate. It has no secrets in it. */
const char *session_problem(const struct session *session);

/* Whether it is set up. */
bool session_is_ready(const struct session *session);

/* Whether a statement can be run now. */
bool session_is_idle(const struct session *session);

/* Runs a statement of its role in a transaction of its own; see pg.h for what the answer means.
 * Parameters are in PostgreSQL's binary format and copied; so is the result's format. */
void session_run(struct session *session, enum statement statement,
                 const struct pg_parameter *parameters, int count, pg_callback callback,
                 void *data);

/* How many bytes more the statement's parameters should have; see pg_padding. */
size_t session_padding(enum statement statement, const struct pg_parameter *parameters, int count);

/* Runs SQL text, whose result is text: several statements are one transaction. Within the time that any
 * statement has, or within an hour. */
void session_run_text(struct session *session, const char *sql, pg_callback callback, void *data);
void session_run_long(struct session *session, const char *sql, pg_callback callback, void *data);

/* Whether the URL names more than one host. The host that it is connected to may then have been
 * replaced by another one without noticing it. */
bool session_has_several_hosts(const struct session *session);

/* How long, in ms, a statement may go unanswered before the connection is given up. */
uint64_t session_patience_ms(const struct session *session);

/* Which host of the URL it is connected to, or was last; and connects to that one alone from now on,
 * leaving another one: another server may be one that was replaced, and accept connections. */
size_t session_host(const struct session *session);
void session_follow(struct session *session, size_t host);

/* Drops the connection and makes a new one, to the next host of the URL if it has several: for a server
 * whose commits are not safe. As the last thing in a statement's callback. */
void session_leave_host(struct session *session, const char *reason);

/* Drops the connection and makes a new one: for an answer that cannot be understood. As the last
 * thing in a statement's callback. */
void session_reset(struct session *session, const char *reason);

/* The same for a statement that PostgreSQL refused: the reason is PostgreSQL's, after `what`,
 * the beginning of a sentence. Leaves a host that accepts no writes. As the last thing in a
 * statement's callback. */
void session_fail(struct session *session, const char *what, const struct pg_answer *answer);

#endif
