/* The meaning of SQLSTATEs (PostgreSQL's manual, appendix A), and the reasons why PostgreSQL cannot
 * be used: sentences for the log and /ready, with the cause and, if known, the remedy. They contain
 * no secret, because PostgreSQL's messages, which they quote, contain none. Any thread.
 */
#ifndef COUNTER_LEDGER_REFUSAL_H
#define COUNTER_LEDGER_REFUSAL_H

#include <stdbool.h>

/* Room for a reason with its NUL. A longer reason is cut. */
#define REASON_BYTES 512

#define REASON_POOLED                                                                              \
    "PostgreSQL is behind a pooler that shares server connections between clients (transaction "   \
    "or statement pooling). Nothing is counted through it. Connect to PostgreSQL directly, or "    \
    "use session pooling (PgBouncer: pool_mode = session)."

#define REASON_NO_CONNECTION_LEFT                                                                  \
    "PostgreSQL is behind a pooler that gave no second connection in time. Allow at least 6 "      \
    "server connections for each counter-svc (PgBouncer: default_pool_size)."

#define REASON_READ_ONLY                                                                           \
    "PostgreSQL is read-only: the server is a standby, or default_transaction_read_only is on. "   \
    "Connect to the primary, or set default_transaction_read_only to off."

/* Returns whether an SQLSTATE is in one of the classes, each two characters: "22 23". */
bool refusal_is_of_class(const char *sqlstate, const char *classes);

/* Returns whether an SQLSTATE proves that a pooler mixes up server processes: 26000 (a prepared
 * statement does not exist), 42P05 (it exists already). */
bool refusal_is_pooled(const char *sqlstate);

/* Returns whether the server accepts no writes: 25006. */
bool refusal_is_read_only(const char *sqlstate);

/* Writes why a statement was refused, and returns `reason`. `what` is the beginning of a sentence:
 * the action that failed. `message` is PostgreSQL's. */
const char *refusal_reason(const char *what, const char *sqlstate, const char *message,
                           char reason[REASON_BYTES]);

#endif
