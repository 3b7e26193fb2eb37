/* The statements of folding, one at a time: which is next, and their answers. */
#include "counter-svc/journal/fold_private.h"

#include "counter-svc/ledger/pg_array.h"
#include "counter-svc/ledger/refusal.h"
#include "server/ops/log.h"

#include <string.h>

/* The SQLSTATE of a statement that exceeds statement_timeout. */
#define TIMED_OUT "57014"

/* The minimum time between two forced folds, in milliseconds. */
#define FORCED_EVERY_MS 500

/* The average pause after a failure, in milliseconds. */
#define RETRY_MS 500

/* The folded entries that stay for a process that is behind, and the maximum that one statement
 * deletes. */
#define KEPT_ENTRIES  1000
#define CLEAR_ENTRIES 5000

/* Vacuum: the minimum time between two in milliseconds, and the minimum of dead rows. */
#define VACUUM_EVERY_MS 1000
#define VACUUM_ENTRIES  500
#define VACUUM_MIN_ROWS 20000
#define VACUUM_TABLE_MS 20000

static void on_fold_pause_over(struct timer *timer);
static void on_fold_answered(void *data, const struct pg_answer *answer);
static void on_cleared(void *data, const struct pg_answer *answer);
static void on_vacuumed(void *data, const struct pg_answer *answer);
static void on_history_step(void *data, const struct pg_answer *answer);

void fold_begin(struct fold *fold, enum fold_activity activity)
{
    INVARIANT(fold->activity == FOLD_IDLE && activity != FOLD_IDLE);
    fold->activity = activity;
}

void fold_end(struct fold *fold, enum fold_activity activity)
{
    INVARIANT(fold->activity == activity);
    fold->activity = FOLD_IDLE;
}

/* --- the next statement --- */

static void send_fold(struct fold *fold)
{
    struct buffer numbers = {0};

    fold->start = fold_checkpoint(fold);
    fold_drop_folded_slices(fold);
    fold->upto = fold->n_slices != 0 ? fold->slice_ends[0] : fold->state->position;
    fold->sent_paths = fold->n_slices != 0 ? SLICE_PATHS : fold->unfolded_paths;
    if (fold->max_entries != 0 && fold->upto - fold->start > fold->max_entries) {
        fold->upto = fold->start + fold->max_entries;
        fold->sent_paths = 0; /* unknown */
    } else if (fold->n_slices == 0) {
        fold->slice_paths = fold->slice_mentions = 0;
    }
    fold->dead_rows += fold->sent_paths;
    pg_add_int8(&numbers, fold->start);
    pg_add_int8(&numbers, fold->upto);
    INVARIANT(fold->start < fold->upto && fold->upto <= fold->state->position);
    fold_begin(fold, FOLD_FOLDING);
    session_run(fold->session, fold->row_by_row ? STATEMENT_FOLD_ROW_BY_ROW : STATEMENT_FOLD,
                (struct pg_parameter[]){{numbers.bytes, 8}, {numbers.bytes + 8, 8}}, 2,
                on_fold_answered, fold);
    buffer_free(&numbers);
}

static void send_clear(struct fold *fold)
{
    struct buffer numbers = {0};

    pg_add_int8(&numbers, KEPT_ENTRIES);
    pg_add_int8(&numbers, CLEAR_ENTRIES);
    fold_begin(fold, FOLD_CLEARING);
    session_run(fold->session, STATEMENT_CLEAR,
                (struct pg_parameter[]){{numbers.bytes, 8}, {numbers.bytes + 8, 8}}, 2, on_cleared,
                fold);
    buffer_free(&numbers);
}

/* Vacuums the journal, or the tables after many of their rows were updated. Autovacuum runs at most
 * once a minute. By then the journal could have a hundred thousand dead entries. Large tables are
 * left to autovacuum. */
static bool send_vacuum(struct fold *fold, uint64_t now_ms)
{
    const char *sql;

    if (fold->dead_entries >= VACUUM_ENTRIES && now_ms - fold->vacuumed_at_ms >= VACUUM_EVERY_MS) {
        sql = "VACUUM (TRUNCATE OFF, INDEX_CLEANUP ON, SKIP_LOCKED) pathcount_journal";
        fold->dead_entries = 0;
        fold->vacuumed_at_ms = now_ms;
    } else if (fold->dead_rows >= VACUUM_MIN_ROWS &&
               fold->dead_rows >= (size_t)fold->state->paths / 4 &&
               now_ms - fold->table_vacuumed_at_ms >= VACUUM_TABLE_MS) {
        sql = "VACUUM (TRUNCATE OFF, SKIP_LOCKED) pathcount, pathcount_checkpoint, "
              "pathcount_totals, pathcount_lanes";
        fold->dead_rows = 0;
        fold->table_vacuumed_at_ms = now_ms;
    } else {
        return false;
    }
    fold_begin(fold, FOLD_VACUUMING);
    session_run_text(fold->session, sql, on_vacuumed, fold);
    return true;
}

/* Sends a step of history if one is due. In a series of folds, it runs between two of them. */
static bool send_history(struct fold *fold, uint64_t now_ms)
{
    fold->history_is_next = false;
    if (!history_send(&fold->history, fold->session, now_ms, on_history_step, fold))
        return false;
    fold_begin(fold, FOLD_IN_HISTORY);
    return true;
}

static bool may_force(struct fold *fold, uint64_t now_ms)
{
    if (!fold->is_wanted || now_ms - fold->forced_at_ms < FORCED_EVERY_MS)
        return false;
    fold->is_wanted = false;
    fold->forced_at_ms = now_ms;
    return true;
}

void fold_send_next(struct deferred *deferred)
{
    struct fold *fold = H2O_STRUCT_FROM_MEMBER(struct fold, deferred, deferred);
    uint64_t now_ms = monotonic_ms();

    if (fold->activity != FOLD_IDLE || !session_is_idle(fold->session) ||
        timer_is_waiting(&fold->pause))
        return;
    fold->sent_ns = monotonic_ns();
    if (!fold->state->is_loaded)
        return;
    if (fold->is_wanted && !fold_has_work(fold)) {
        fold->is_wanted = false;
        fold->owner.on_folded(fold->owner.data, fold_checkpoint(fold));
    }
    if (may_force(fold, now_ms))
        fold->target = fold->state->position;
    if (fold->history_is_next && send_history(fold, now_ms))
        return;
    if (fold_has_work(fold) && fold->target > fold_checkpoint(fold))
        send_fold(fold);
    else if (fold_checkpoint(fold) - fold->cleared_upto >= KEPT_ENTRIES / 2)
        send_clear(fold);
    else if (!send_vacuum(fold, now_ms))
        send_history(fold, now_ms);
}

/* --- the answers --- */

static void pause_fold(struct fold *fold)
{
    timer_start_after(&fold->worker->timers, &fold->pause, RETRY_MS / 2 + jitter(RETRY_MS),
                      on_fold_pause_over);
}

static void on_fold_pause_over(struct timer *timer)
{
    fold_schedule(H2O_STRUCT_FROM_MEMBER(struct fold, pause, timer));
}

/* Returns whether the answer can be read. Otherwise logs the failure and begins a pause. */
static bool is_done(struct fold *fold, const struct pg_answer *answer, const char *what)
{
    fold_schedule(fold);
    if (answer->outcome == PG_DONE)
        return true;
    metric_add(&fold->metrics->fold_failures, 1);
    if (answer->outcome == PG_FAILED) {
        log_event(LOG_LEVEL_WARNING, "fold-failed", "statement=%s sqlstate=%s error=%s", what,
                  answer->sqlstate, LOG_QUOTED(answer->message));
        pause_fold(fold);
        if (refusal_is_pooled(answer->sqlstate))
            session_fail(fold->session, "A statement of the folds failed", answer);
    }
    return false;
}

/* Returns whether PostgreSQL has refused a row, because of its data, a constraint or a trigger. */
static bool is_refusal(const struct pg_answer *answer)
{
    return answer->outcome == PG_FAILED && refusal_is_of_class(answer->sqlstate, "22 23 44 P0");
}

/* Logs how many paths went to the quarantine. */
static void note_refused(const PGresult *result)
{
    int64_t refused = pg_int8(PQgetvalue(result, 0, 0));

    if (refused == 0)
        return;
    log_event(LOG_LEVEL_ERROR, "quarantined", "paths=%lld table=pathcount_quarantine",
              (long long)refused);
}

/* After a fold that timed out, the next one has half as many entries. Each success allows a quarter
 * more. Otherwise a fold of the same entries could time out forever, and the journal would fill. */
static void adapt_size(struct fold *fold, const struct pg_answer *answer)
{
    int64_t entries = fold->upto - fold->start;

    INVARIANT(entries > 0);
    if (answer->outcome == PG_FAILED && strcmp(answer->sqlstate, TIMED_OUT) == 0)
        fold->max_entries = entries > 1 ? entries / 2 : 1;
    else if (answer->outcome == PG_DONE && fold->max_entries != 0)
        fold->max_entries = fold->max_entries < KEPT_ENTRIES ? fold->max_entries * 5 / 4 + 1 : 0;
}

static void on_fold_answered(void *data, const struct pg_answer *answer)
{
    struct fold *fold = data;
    bool moved;

    fold_end(fold, FOLD_FOLDING);
    adapt_size(fold, answer);
    if (is_refusal(answer) && !fold->row_by_row) {
        is_done(fold, answer, "fold");
        timer_stop(&fold->pause);
        fold->row_by_row = true; /* the same slice */
        return;
    }
    if (!is_done(fold, answer, fold->row_by_row ? "fold_row_by_row" : "fold"))
        return;
    fold->folded_ns = monotonic_ns();
    fold->took_ns = fold->folded_ns - fold->sent_ns;
    histogram_add_ns(&fold->metrics->fold_seconds, fold->took_ns);
    fold->history_is_next = true;
    moved = !PQgetisnull(answer->result, 0, 0) &&
            (fold->row_by_row || *PQgetvalue(answer->result, 0, 0) != 0);
    if (moved && fold->row_by_row)
        note_refused(answer->result);
    fold->row_by_row = false;
    if (!moved) {
        fold->is_wanted = true; /* the views still wait */
        fold->folded = 0;       /* another process has folded; the journal reads how far */
        pause_fold(fold);
        fold->owner.on_folded(fold->owner.data, fold->state->checkpoint);
        return;
    }
    metric_add(&fold->metrics->folded_entries, (uint64_t)(fold->upto - fold->start));
    fold->folded = fold->upto;
    fold->unfolded_paths -=
        fold->sent_paths < fold->unfolded_paths ? fold->sent_paths : fold->unfolded_paths;
    fold->unfolded_since_ms = fold_has_work(fold) ? monotonic_ms() : 0;
    fold->owner.on_folded(fold->owner.data, fold->folded);
}

static void on_cleared(void *data, const struct pg_answer *answer)
{
    struct fold *fold = data;
    int64_t deleted;

    fold_end(fold, FOLD_CLEARING);
    if (!is_done(fold, answer, "clear"))
        return;
    deleted = pg_int8(PQgetvalue(answer->result, 0, 0));
    fold->dead_entries += (size_t)deleted;
    if (deleted < CLEAR_ENTRIES)
        fold->cleared_upto = fold_checkpoint(fold);
}

static void on_vacuumed(void *data, const struct pg_answer *answer)
{
    fold_end(data, FOLD_VACUUMING);
    is_done(data, answer, "vacuum");
}

static void on_history_step(void *data, const struct pg_answer *answer)
{
    struct fold *fold = data;

    fold_end(fold, FOLD_IN_HISTORY);
    if (history_note(&fold->history, answer))
        fold_schedule(fold);
    else
        is_done(fold, answer, "history");
}
