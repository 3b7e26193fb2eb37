/* Folding: adds the journal's entries to the tables, then clears and vacuums the journal.
 *
 * Folds run on their own session with asynchronous commits. If a crash undoes a fold, its entries
 * are still in the journal. A fold is one statement, pathcount_fold (schema/006-history.sql), over
 * a slice of entries with a few thousand paths. All counter-svc may fold, even at the same time.
 *
 * At light load a fold follows within 100 ms, so that SQL users see a hit at once. Under load a
 * fold follows every interval_ms: a path that is hit often then costs one row, not one for each
 * entry. A view can force a fold. A fold whose data PostgreSQL refuses is repeated row by row; rows
 * that the table refuses go to pathcount_quarantine.
 *
 *            due or forced             every 500 folded entries
 *     IDLE ----------------> FOLDING     IDLE -----------------> CLEARING
 *     IDLE ----------------> VACUUMING   IDLE -----------------> IN HISTORY (history.h)
 *            dead rows                 once a second, or work is left
 *
 * Every answer leads back to IDLE; after a failure a pause follows.
 *
 * All calls from the loop's thread.
 */
#ifndef COUNTER_JOURNAL_FOLD_H
#define COUNTER_JOURNAL_FOLD_H

#include "counter-svc/journal/history.h"
#include "counter-svc/journal/state.h"
#include "counter-svc/ledger/session.h"

struct fold_settings {
    int64_t interval_ms; /* between folds under load */
    struct history_settings history;
};

struct fold_owner {
    /* The tables have everything up to this position, on the server of this session. */
    void (*on_folded)(void *data, int64_t position);
    void *data;
};

struct fold;

/* `state` and `settings` must outlive the result. */
struct fold *fold_open(struct worker *worker, const struct session_settings *session_settings,
                       const struct fold_settings *settings, const struct state *state,
                       const struct fold_owner *owner);

/* Takes NULL. No callback runs afterwards. */
void fold_close(struct fold *fold);

/* Notes an entry that was applied to the state. It has `paths` paths, and pinned `pinned` slots.
 * `own`: this process has appended it. */
void fold_note_entry(struct fold *fold, size_t paths, size_t pinned, bool own);

/* Notes that the state was loaded. */
void fold_note_load(struct fold *fold);

/* Forces a fold of all entries. At most two forced folds run in a second. */
void fold_force(struct fold *fold);

/* Folds on this host of the URL only: the host of the journal. */
void fold_follow(struct fold *fold, size_t host);

/* Notes that another session has upgraded the ledger. */
void fold_migrate(struct fold *fold);

#endif
