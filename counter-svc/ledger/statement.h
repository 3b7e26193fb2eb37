/* The statements that sessions prepare: their text, their names and the role of the session that
 * runs them. No I/O; any thread.
 *
 * Most texts are files in sql/. The statements that read the rows of a view are made from four
 * files (by count or by path, forwards or backwards), for each table that can be ranked (of all
 * time or a period, with or without bots).
 */
#ifndef COUNTER_LEDGER_STATEMENT_H
#define COUNTER_LEDGER_STATEMENT_H

#include "base/buffer.h"
#include "proto/view.h"

/* The purpose of a session. Each session prepares the statements of its own role only: if a pooler
 * gives a session the server process of another one, its statements do not exist there. */
enum session_role {
    SESSION_JOURNAL,
    SESSION_FOLDS, /* commits asynchronously: everything that it does can be repeated */
    SESSION_VIEWS,
    SESSION_CHANGES,
    SESSION_RANKING /* runs only SQL text */
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
    STATEMENT_ROWS, /* the first of those that read rows; statement_of_view gives the others */
    N_STATEMENTS = STATEMENT_ROWS + 4 * 2 * VIEW_N_PERIODS
};

/* Room for the longest name with its NUL. */
#define STATEMENT_NAME_BYTES 48

/* Returns the statement that reads the rows of a view. sql/rows_by_*.sql describe its parameters.
 * Its columns are path, count and hits by bots. For a period there are three more: all hits in the
 * period, hits by bots in it, and its begin (text, as in proto/counter-api.yml). A period without
 * rows is one row whose path is NULL. */
enum statement statement_of_view(const struct view *view);

/* Returns the role that runs a statement. */
enum session_role statement_role(enum statement statement);

/* Returns a statement's name, which may be in `buffer`. */
const char *statement_name(enum statement statement, char buffer[STATEMENT_NAME_BYTES]);

/* Appends a statement's text with its NUL. */
void statement_add_text(struct buffer *to, enum statement statement);

#endif
