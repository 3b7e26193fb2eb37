#include "counter-svc/pg_array.h"
#include "counter-svc/writer_private.h"
#include "service/log.h"

#include <string.h>

/* The pause before a merge that met a passing trouble is tried again, with jitter. */
#define RETRY_PAUSE_MS 20

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

static int64_t hits_of(const struct batch *batch)
{
    int64_t hits = 0;

    for (size_t i = 0; i < batch->size; ++i)
        hits += batch->entries[i].hits;
    return hits;
}

enum apply_parameter { LANES, SEQUENCES, LANE_HITS, PATHS, HITS, N_APPLY_PARAMETERS };

static void fill_parameters(const struct write_session *session, struct buffer *parameters)
{
    const struct merge *merge = &session->merge;

    pg_add_int8_array_head(&parameters[LANES], session->n_writes);
    pg_add_int8_array_head(&parameters[SEQUENCES], session->n_writes);
    pg_add_int8_array_head(&parameters[LANE_HITS], session->n_writes);
    for (size_t i = 0; i < session->n_writes; ++i) {
        pg_add_int8_element(&parameters[LANES], session->batches[i]->lane);
        pg_add_int8_element(&parameters[SEQUENCES], session->batches[i]->sequence);
        pg_add_int8_element(&parameters[LANE_HITS], hits_of(session->batches[i]));
    }
    pg_add_text_array_head(&parameters[PATHS], merge->size);
    pg_add_int8_array_head(&parameters[HITS], merge->size);
    for (size_t i = 0; i < merge->size; ++i) {
        pg_add_text_element(&parameters[PATHS], merge->entries[i].path, merge->entries[i].path_len);
        pg_add_int8_element(&parameters[HITS], merge->entries[i].hits);
    }
}

bool apply_send(struct write_session *session)
{
    struct buffer buffers[N_APPLY_PARAMETERS] = {{0}};
    struct pg_parameter parameters[N_APPLY_PARAMETERS];

    gather(session);
    if (session->n_writes == 0)
        return false;
    merge_init(&session->merge, session->batches, session->n_writes);
    fill_parameters(session, buffers);
    for (int i = 0; i < N_APPLY_PARAMETERS; ++i)
        parameters[i] = (struct pg_parameter){buffers[i].bytes, buffers[i].len};
    session->busy = true;
    session_run(session->session, STATEMENT_APPLY, parameters, N_APPLY_PARAMETERS, on_applied,
                session);
    for (int i = 0; i < N_APPLY_PARAMETERS; ++i)
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

/* The statement was applied and its commit confirmed. */
static void confirm(struct write_session *session, int64_t *counts)
{
    struct write *writes[MERGE_MAX_BATCHES];
    struct merge merge = session->merge;
    int64_t numbers[BATCH_MAX_PATHS];
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

static int read_array(const PGresult *result, int column, int64_t *values, size_t most)
{
    if (PQgetisnull(result, 0, column))
        return 0;
    return pg_int8_array(PQgetvalue(result, 0, column), PQgetlength(result, 0, column), values,
                         most);
}

static void on_applied(void *data, const struct pg_answer *answer)
{
    struct write_session *session = data;
    int64_t counts[MERGE_MAX_PATHS], lanes[MERGE_MAX_BATCHES], sequences[MERGE_MAX_BATCHES];
    int n_counts, n_lanes;
    bool applied;

    writer_kick(session->writer);
    if (answer->outcome == PG_LOST) {
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
        for (size_t i = 0; i < session->n_writes; ++i)
            session->writes[i]->doubtful = true;
        put_back(session, false);
        return;
    }
    applied = *PQgetvalue(answer->result, 0, 0) != 0;
    n_counts = read_array(answer->result, 1, counts, MERGE_MAX_PATHS);
    n_lanes = read_array(answer->result, 2, lanes, MERGE_MAX_BATCHES);
    if (applied && n_counts == (int)session->merge.size) {
        confirm(session, counts);
    } else if (!applied && n_lanes >= 0 &&
               read_array(answer->result, 3, sequences, MERGE_MAX_BATCHES) == n_lanes) {
        sort_out(session, lanes, sequences, n_lanes);
    } else {
        apply_finish_all(session, WRITE_UNAVAILABLE);
        session_reset(session->session, "an answer of another form");
    }
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

/* PostgreSQL refused the statement and rolled it back. */
static void on_refused(struct write_session *session, const char *sqlstate)
{
    bool many = session->n_writes > 1;

    if (class_is(sqlstate, "40") || class_is(sqlstate, "53") || class_is(sqlstate, "57") ||
        class_is(sqlstate, "08")) {
        put_back(session, false);
        pause_session(session);
    } else if (many || class_is(sqlstate, "55")) {
        /* a locked row, or one that is refused: it shall hold up its own batch alone */
        put_back(session, true);
        if (!many)
            pause_session(session);
    } else if (class_is(sqlstate, "22") || class_is(sqlstate, "23")) {
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
