/* History: what time takes out of the periods that are ranked, and what is no longer kept, as one statement
 * at a time on the session of folds (schema/006-history.sql: pathcount_history_step). Any counter-svc does
 * it; of two that do at once one does nothing. The settings are in the ledger, and those of the counter-svc
 * that started last are in force.
 */
#ifndef COUNTER_JOURNAL_HISTORY_H
#define COUNTER_JOURNAL_HISTORY_H

#include "counter-svc/ledger/session.h"

struct history_settings {
    char *time_zone;    /* a name in PostgreSQL's list of time zones */
    int64_t keep_hours; /* hours of each path that are kept; 0: none */
    int64_t keep_days;  /* days of each path that are kept; 0: none */
    int64_t max_rows;   /* of hours and days together */
};

/* Zeroed before its first use. */
struct history {
    const struct history_settings *settings;
    bool _is_set;         /* the ledger has the settings, or has refused them */
    bool _more;           /* the last step has left something to do */
    uint64_t _stepped_ms; /* when that was */
};

/* Sends a statement if one is due; `callback` gets its answer. Returns whether it did. */
bool history_send(struct history *history, struct session *session, uint64_t now_ms,
                  pg_callback callback, void *data);

/* Notes a statement's answer. Returns whether PostgreSQL did it or refused the settings, which is
 * logged. */
bool history_note(struct history *history, const struct pg_answer *answer);

#endif
