/* Folding: moves what the journal has into the tables, and clears it.
 *
 * On a session of its own, with asynchronous commits: the journal was flushed, and a crash that undoes
 * a fold leaves its entries. A fold is one statement, pathcount_fold (schema/004-journal.sql), over a
 * slice of entries with a few thousand paths. Any counter-svc folds, and any number at once.
 *
 * When: within 100 ms while few entries come, so that SQL users see a hit at once. Under load every
 * interval_ms, since a path that is hit often then costs one row instead of one for each entry. At once
 * when asked. A fold that is refused for its data is repeated row by row; what the table refuses goes
 * to pathcount_quarantine.
 *
 * Between folds the session does the work of history (history.h).
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
    /* The tables have everything up to this position, as far as this session's server knows. */
    void (*on_folded)(void *data, int64_t position);
    void *data;
};

struct fold;

/* `state` and `settings` must outlive it. */
struct fold *fold_open(struct worker *worker, const struct session_settings *session_settings,
                       const struct fold_settings *settings, const struct state *state,
                       const struct fold_owner *owner);

/* Takes NULL. No callback runs any more. */
void fold_close(struct fold *fold);

/* The state has moved on by an entry with `paths` paths, of which it has pinned `pinned` anew; `own`
 * when this process has appended it. */
void fold_note_entry(struct fold *fold, size_t paths, size_t pinned, bool own);

/* The state was read anew. */
void fold_note_load(struct fold *fold);

/* Folds everything as soon as it may. */
void fold_soon(struct fold *fold);

/* Folds on this host of the URL, where the journal is. */
void fold_follow(struct fold *fold, size_t host);

/* Another session has brought the ledger up to this program's schema. */
void fold_migrate(struct fold *fold);

#endif
