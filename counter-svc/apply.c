#include "counter-svc/pg_array.h"
#include "counter-svc/writer_private.h"
#include "service/log.h"

#include <string.h>

/* The pause before a merge that met a passing trouble is tried again, with jitter. */
#define RETRY_PAUSE_MS 20

/* With room for so many new paths it is enough to look once in ROOM_MS: more than all counters add
 * to a ledger within that time and a statement's. */
#define ROOM_AMPLE 1000000
#define ROOM_MS    1000

static void on_applied(void *data, const struct pg_answer *answer);
static void on_refused(struct write_session *session, const char *sqlstate);
static void on_lane_ended(void *data, const struct pg_answer *answer);

/* Whether a batch of this lane is at PostgreSQL, in this worker's hands. */
static bool lane_is_away(const struct writer *writer, int64_t lane)
{
    for (size_t i = 0; i < writer->n_sessions; ++i)
        for (size_t j = 0; j < writer->sessions[i].n_writes; ++j)
            if (writer->sessions[i].batches[j]->lane == lane)
                return true;
    return false;
}

/* Takes from the queue what can leave together. */
static void gather(struct write_session *session)
{
    struct writer *writer = session->writer;
    size_t paths = 0;
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = writer->queue.next;
         link != &writer->queue && session->n_writes < MERGE_MAX_BATCHES; link = next) {
        struct write *write = write_of(link);
        next = link->next;
        if (lane_is_away(writer, write->hits.batch.lane))
            continue;
        if (session->n_writes != 0 &&
            (write->alone || paths + write->hits.batch.size > MERGE_MAX_PATHS))
            continue;
        write_dequeue(write);
        paths += write->hits.batch.size;
        session->batches[session->n_writes] = &write->hits.batch;
        session->writes[session->n_writes++] = write;
        if (write->alone)
            break;
    }
}

enum apply_parameter {
    LANES,
    SEQUENCES,
    LANE_HITS,
    PATHS,
    HITS,
    N_ALL_PARAMETERS,
    MAX_PATHS = N_ALL_PARAMETERS,
    OVERFLOW_KEY,
    N_SOME_PARAMETERS
};

/* What a merge is answered with; columns of apply_end.sql. */
enum apply_column { APPLIED, COUNTS, FOUND_LANES, FOUND_SEQUENCES, OVERFLOW_COUNT, ROOM };

static void fill_parameters(const struct write_session *session, struct buffer *parameters)
{
    const struct merge *merge = &session->merge;

    pg_add_int8_array_head(&parameters[LANES], session->n_writes);
    pg_add_int8_array_head(&parameters[SEQUENCES], session->n_writes);
    pg_add_int8_array_head(&parameters[LANE_HITS], session->n_writes);
    for (size_t i = 0; i < session->n_writes; ++i) {
        pg_add_int8_element(&parameters[LANES], session->batches[i]->lane);
        pg_add_int8_element(&parameters[SEQUENCES], session->batches[i]->sequence);
        pg_add_int8_element(&parameters[LANE_HITS], session->writes[i]->n_hits);
    }
    pg_add_text_array_head(&parameters[PATHS], merge->size);
    pg_add_int8_array_head(&parameters[HITS], merge->size);
    for (size_t i = 0; i < merge->size; ++i) {
        pg_add_text_element(&parameters[PATHS], merge->entries[i].path, merge->entries[i].path_len);
        pg_add_int8_element(&parameters[HITS], merge->entries[i].hits);
    }
    pg_add_int8(&parameters[MAX_PATHS], session->writer->settings->max_paths);
    buffer_add_literal(&parameters[OVERFLOW_KEY], PATH_OVERFLOW);
}

/* Whether all paths of a batch have room, as far as is known: then nobody need look. */
static bool has_room(const struct writer *writer)
{
    return writer->room >= ROOM_AMPLE && monotonic_ms() - writer->room_at_ms <= ROOM_MS;
}

bool apply_send(struct write_session *session)
{
    struct buffer buffers[N_SOME_PARAMETERS] = {{0}};
    struct pg_parameter parameters[N_SOME_PARAMETERS];
    bool all = has_room(session->writer);

    gather(session);
    if (session->n_writes == 0)
        return false;
    merge_init(&session->merge, session->batches, session->n_writes);
    fill_parameters(session, buffers);
    for (int i = 0; i < N_SOME_PARAMETERS; ++i)
        parameters[i] = (struct pg_parameter){buffers[i].bytes, buffers[i].len};
    histogram_add_size(&session->writer->metrics->commit_batches, session->n_writes);
    histogram_add_size(&session->writer->metrics->commit_paths, session->merge.size);
    session->sent_ns = monotonic_ns();
    session->busy = true;
    session_run(session->session, all ? STATEMENT_APPLY_ALL : STATEMENT_APPLY_SOME, parameters,
                all ? N_ALL_PARAMETERS : N_SOME_PARAMETERS, on_applied, session);
    for (int i = 0; i < N_SOME_PARAMETERS; ++i)
        buffer_free(&buffers[i]);
    return true;
}

/* Empties the session's hands: the batches are the caller's now. */
static size_t take_writes(struct write_session *session, struct write **writes)
{
    size_t count = session->n_writes;

    for (size_t i = 0; i < count; ++i)
        writes[i] = session->writes[i];
    merge_fini(&session->merge);
    session->n_writes = 0;
    session->busy = false;
    return count;
}

void apply_finish_all(struct write_session *session, enum write_outcome outcome)
{
    struct write *writes[MERGE_MAX_BATCHES];
    size_t count = take_writes(session, writes);

    for (size_t i = 0; i < count; ++i)
        write_finish(writes[i], outcome, NULL);
}

/* Puts the batches back to the head of the queue, in their order. One that went alone goes to the
 * tail: a row that is locked must not hold up the others. (A lane has one batch on its way, so
 * nothing overtakes within a lane.) */
static void put_back(struct write_session *session, bool alone)
{
    struct write *writes[MERGE_MAX_BATCHES];
    size_t count = take_writes(session, writes);

    for (size_t i = count; i-- > 0;) {
        bool to_tail = writes[i]->alone;
        writes[i]->alone |= alone;
        write_enqueue(writes[i], to_tail);
    }
}

/* The merged paths' counts: those that are 0 are of paths whose hits went to the overflow row, which
 * has `overflow` now. It is counted back by the hits of each, so that no two hits have one number. */
static void number_paths(const struct merge *merge, const int64_t *counts, int64_t overflow,
                         struct number *numbers)
{
    for (size_t i = merge->size; i-- > 0;) {
        bool has_row = counts[i] != 0 || overflow == 0;
        numbers[i] = (struct number){has_row ? counts[i] : overflow, !has_row};
        if (!has_row && overflow != INT64_MAX)
            overflow -= merge->entries[i].hits;
    }
}

/* Keeps in mind how much room there was. */
static void note_room(struct writer *writer, const PGresult *result)
{
    if (PQgetisnull(result, 0, ROOM))
        return;
    writer->room = pg_int8(PQgetvalue(result, 0, ROOM));
    writer->room_at_ms = monotonic_ms();
}

/* The statement was applied and its commit confirmed. */
static void confirm(struct write_session *session, struct number *counts)
{
    struct write *writes[MERGE_MAX_BATCHES];
    struct merge merge = session->merge;
    struct number numbers[BATCH_MAX_PATHS];
    size_t count;

    session->merge = (struct merge){0};
    count = take_writes(session, writes);
    for (size_t i = count; i-- > 0;) {
        merge_take_numbers(&merge, &writes[i]->hits.batch, i, counts, numbers);
        write_finish(writes[i], WRITE_APPLIED, numbers);
    }
    merge_fini(&merge);
}

/* Nothing was applied: each batch by what its lane was found at, under its lock. */
static void sort_out(struct write_session *session, const int64_t *lanes, const int64_t *sequences,
                     int n_lanes)
{
    struct write *writes[MERGE_MAX_BATCHES];
    size_t count = take_writes(session, writes);

    for (size_t i = count; i-- > 0;) {
        const struct batch *batch = &writes[i]->hits.batch;
        int at = 0;
        while (at < n_lanes && lanes[at] != batch->lane)
            ++at;
        if (at < n_lanes && sequences[at] == batch->sequence - 1)
            write_enqueue(writes[i], false);
        else if (at < n_lanes && sequences[at] == batch->sequence)
            write_finish(writes[i], WRITE_REPEAT, NULL);
        else
            write_finish(writes[i], writes[i]->doubtful ? WRITE_UNAVAILABLE : WRITE_CONFLICT, NULL);
    }
}

/* A number; 0 for NULL. */
static int64_t read_number(const PGresult *result, int column)
{
    return PQgetisnull(result, 0, column) ? 0 : pg_int8(PQgetvalue(result, 0, column));
}

static int read_array(const PGresult *result, int column, int64_t *values, size_t most)
{
    if (PQgetisnull(result, 0, column))
        return 0;
    return pg_int8_array(PQgetvalue(result, 0, column), PQgetlength(result, 0, column), values,
                         most);
}

/* The statement was committed: it says whether it has changed anything. */
static void on_told(struct write_session *session, const PGresult *result)
{
    int64_t counts[MERGE_MAX_PATHS], lanes[MERGE_MAX_BATCHES], sequences[MERGE_MAX_BATCHES];
    struct number numbers[MERGE_MAX_PATHS];
    bool applied = *PQgetvalue(result, 0, APPLIED) != 0;
    int n_counts = read_array(result, COUNTS, counts, MERGE_MAX_PATHS);
    int n_lanes = read_array(result, FOUND_LANES, lanes, MERGE_MAX_BATCHES);
    int64_t overflow = read_number(result, OVERFLOW_COUNT);

    note_room(session->writer, result);
    if (overflow != 0)
        log_event(LOG_LEVEL_WARNING, "paths-full", "max_paths=%lld",
                  (long long)session->writer->settings->max_paths);
    if (applied && n_counts == (int)session->merge.size) {
        number_paths(&session->merge, counts, overflow, numbers);
        confirm(session, numbers);
    } else if (!applied && n_lanes >= 0 &&
               read_array(result, FOUND_SEQUENCES, sequences, MERGE_MAX_BATCHES) == n_lanes) {
        sort_out(session, lanes, sequences, n_lanes);
    } else {
        apply_finish_all(session, WRITE_UNAVAILABLE);
        session_reset(session->session, "an answer of another form");
    }
}

static void on_applied(void *data, const struct pg_answer *answer)
{
    struct write_session *session = data;
    struct counter_metrics *metrics = session->writer->metrics;

    writer_kick(session->writer);
    if (answer->outcome == PG_LOST) {
        metric_add(&metrics->commit_failures[FAILURE_LOST], 1);
        apply_finish_all(session, WRITE_UNAVAILABLE);
        return;
    }
    if (answer->outcome == PG_FAILED) {
        log_event(LOG_LEVEL_WARNING, "batch-failed", "sqlstate=%s batches=%zu error=%s trace=%s",
                  answer->sqlstate, session->n_writes,
                  LOG_QUOTED(PQresultErrorField(answer->result, PG_DIAG_MESSAGE_PRIMARY)),
                  session->writes[0]->trace.id);
        on_refused(session, answer->sqlstate);
        return;
    }
    if (answer->warned) {
        metric_add(&metrics->commit_failures[FAILURE_STANDBY], 1);
        for (size_t i = 0; i < session->n_writes; ++i)
            session->writes[i]->doubtful = true;
        put_back(session, false);
        return;
    }
    histogram_add_ns(&metrics->commit_seconds, monotonic_ns() - session->sent_ns);
    on_told(session, answer->result);
}

static bool class_is(const char *sqlstate, const char *class)
{
    return strncmp(sqlstate, class, 2) == 0;
}

static void on_pause_over(struct timer *timer)
{
    struct write_session *session = H2O_STRUCT_FROM_MEMBER(struct write_session, pause, timer);

    writer_kick(session->writer);
}

static void pause_session(struct write_session *session)
{
    timer_start_after(&session->writer->worker->timers, &session->pause,
                      RETRY_PAUSE_MS + jitter(RETRY_PAUSE_MS), on_pause_over);
}

static void end_lane(struct write_session *session)
{
    struct buffer lane = {0};

    pg_add_int8(&lane, session->batches[0]->lane);
    session_run(session->session, STATEMENT_END_LANE, &(struct pg_parameter){lane.bytes, lane.len},
                1, on_lane_ended, session);
    buffer_free(&lane);
}

static enum commit_failure failure_of(const char *sqlstate)
{
    if (class_is(sqlstate, "40") || class_is(sqlstate, "53") || class_is(sqlstate, "57") ||
        class_is(sqlstate, "08"))
        return FAILURE_PASSING;
    if (class_is(sqlstate, "55"))
        return FAILURE_LOCK;
    return class_is(sqlstate, "22") || class_is(sqlstate, "23") ? FAILURE_DATA : FAILURE_OTHER;
}

/* PostgreSQL refused the statement and rolled it back. */
static void on_refused(struct write_session *session, const char *sqlstate)
{
    enum commit_failure failure = failure_of(sqlstate);
    bool many = session->n_writes > 1;

    metric_add(&session->writer->metrics->commit_failures[failure], 1);
    if (failure == FAILURE_PASSING) {
        put_back(session, false);
        pause_session(session);
    } else if (many || failure == FAILURE_LOCK) {
        /* a locked row, or one that is refused: it shall hold up its own batch alone */
        put_back(session, true);
        if (!many)
            pause_session(session);
    } else if (failure == FAILURE_DATA) {
        end_lane(session);
    } else {
        /* a missing table, a bug: to be repeated once the schema has been looked at anew */
        apply_finish_all(session, WRITE_UNAVAILABLE);
        session_reset(session->session, "a batch failed in a way that was not foreseen");
    }
}

/* The lane of a refused batch is gone: no late copy of the batch can be applied any more. */
static void on_lane_ended(void *data, const struct pg_answer *answer)
{
    struct write_session *session = data;
    bool ended = answer->outcome == PG_DONE && !answer->warned;

    writer_kick(session->writer);
    apply_finish_all(session, ended ? WRITE_REFUSED : WRITE_UNAVAILABLE);
}
