/* The upkeep of history: hours and days leave the ranked periods, and old ones are deleted. It runs
 * in small steps on the session of folds (schema/006-history.sql: pathcount_history_step). Every
 * counter-svc makes such steps. If two run at the same time, one of them does nothing. The settings
 * are in the ledger. They are those of the counter-svc that started last.
 */
#ifndef COUNTER_JOURNAL_HISTORY_H
#define COUNTER_JOURNAL_HISTORY_H

#include "counter-svc/ledger/session.h"

struct history_settings {
    char *time_zone;    /* a name in PostgreSQL's list of time zones */
    int64_t keep_hours; /* of each path; 0: none */
    int64_t keep_days;  /* of each path; 0: none */
    int64_t max_rows;   /* of hours and days together */
};

/* Zeroed before its first use. */
struct history_work {
    const struct history_settings *settings;
    bool _is_set;         /* the ledger has accepted or refused the settings */
    bool _more;           /* the last step has left work to do */
    uint64_t _stepped_ms; /* when the last step was sent */
};

/* Sends a statement if one is due; `callback` gets the answer. Returns whether it has sent one. */
bool history_send(struct history_work *history, struct session *session, uint64_t now_ms,
                  pg_callback callback, void *data);

/* Reads the answer of a statement. Returns false if it failed. Refused settings are logged, and are
 * not a failure. */
bool history_note(struct history_work *history, const struct pg_answer *answer);

#endif
