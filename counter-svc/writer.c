#include "counter-svc/writer.h"

#include "counter-svc/pg_array.h"
#include "service/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* A merge's answer holds 12 bytes for each path and 24 for each lane, and some hundred more: with
 * these it fits the least buffer that a socket has, so that a counter-svc that is stopped in the
 * middle does not leave PostgreSQL waiting to write, with rows locked. */
#define MERGE_MAX_BATCHES 64
#define MERGE_MAX_PATHS   1024

/* The pause before a merge that met a passing trouble is tried again, with jitter. */
#define RETRY_PAUSE_MS 20

/* How often silent lanes are looked for, at the least. */
#define FORGET_EVERY_MS ((int64_t)10 * 60 * 1000)

/* A batch, from writer_add until its callback. */
struct write {
    h2o_linklist_t link; /* in the writer's queue, while it waits */
    struct writer *writer;
    struct hits hits;
    write_callback callback; /* NULL once abandoned */
    void *data;
    struct timer deadline;
    bool overdue;
    bool alone; /* it was in a merge that was refused: goes by itself */
};

struct lane_request {
    h2o_linklist_t link;
    lane_callback callback; /* NULL once abandoned */
    void *data;
    int64_t lane;
};

/* A session and what it is doing. */
struct write_session {
    struct writer *writer;
    struct session *session;
    bool busy;
    struct timer pause;
    /* the merge at PostgreSQL */
    size_t n_writes;
    struct write *writes[MERGE_MAX_BATCHES];
    const struct batch *batches[MERGE_MAX_BATCHES];
    struct merge merge;
    /* the lane being made */
    struct lane_request *request;
};

struct writer {
    struct worker *worker;
    const struct writer_settings *settings;
    void (*on_change)(struct worker *worker);
    h2o_linklist_t queue, requests;
    int64_t n_queued;
    size_t n_ready;
    struct timer_queue deadlines;
    struct timer forget;
    bool forget_due;
    struct turn_end turn_end;
    size_t n_sessions;
    struct write_session sessions[];
};

static void on_ready(void *data);
static void on_lost(void *data);
static void kick(struct writer *writer);
static void on_turn_end(struct turn_end *turn_end);
static void on_overdue(struct timer *timer);
static bool send_merge(struct write_session *session);
static void on_applied(void *data, const struct pg_answer *answer);
static void on_refused(struct write_session *session, const char *sqlstate);
static void on_lane_ended(void *data, const struct pg_answer *answer);
static void send_lane_request(struct write_session *session);
static void on_new_lane(void *data, const struct pg_answer *answer);
static void on_forget_due(struct timer *timer);
static void on_forgotten(void *data, const struct pg_answer *answer);

static uint64_t forget_every_ms(const struct writer *writer)
{
    int64_t half_ms = writer->settings->forget_s * 500;

    return (uint64_t)(half_ms < FORGET_EVERY_MS ? half_ms : FORGET_EVERY_MS);
}

struct writer *writer_open(struct worker *worker, const struct session_settings *session_settings,
                           const struct writer_settings *settings,
                           void (*on_change)(struct worker *worker))
{
    size_t count = (size_t)settings->sessions, size = count * sizeof(struct write_session);
    struct writer *writer = h2o_mem_alloc(sizeof(*writer) + size);

    memset(writer, 0, sizeof(*writer) + size);
    writer->worker = worker;
    writer->settings = settings;
    writer->on_change = on_change;
    writer->n_sessions = count;
    h2o_linklist_init_anchor(&writer->queue);
    h2o_linklist_init_anchor(&writer->requests);
    timer_queue_init(&writer->deadlines, &worker->timers, (uint64_t)settings->deadline_ms);
    timer_start_after(&worker->timers, &writer->forget, jitter(forget_every_ms(writer)),
                      on_forget_due);
    for (size_t i = 0; i < count; ++i) {
        struct session_owner owner = {on_ready, on_lost, &writer->sessions[i]};
        writer->sessions[i].writer = writer;
        writer->sessions[i].session = session_open(worker, session_settings, &owner);
    }
    return writer;
}

bool writer_is_ready(const struct writer *writer)
{
    return writer->n_ready != 0;
}

/* --- a batch's way --- */

struct write *writer_add(struct writer *writer, struct hits *hits, write_callback callback,
                         void *data)
{
    struct write *write = h2o_mem_alloc(sizeof(*write));

    *write = (struct write){.writer = writer, .hits = *hits, .callback = callback, .data = data};
    *hits = (struct hits){0};
    h2o_linklist_insert(&writer->queue, &write->link);
    if (++writer->n_queued > writer->settings->max_batches || writer->n_ready == 0)
        write->overdue = true; /* answered at the end of the turn */
    else
        timer_start(&writer->deadlines, &write->deadline, on_overdue);
    kick(writer);
    return write;
}

const struct batch *write_batch(const struct write *write)
{
    return &write->hits.batch;
}

static void dequeue(struct write *write)
{
    h2o_linklist_unlink(&write->link);
    --write->writer->n_queued;
}

static void enqueue_first(struct write *write)
{
    h2o_linklist_insert(write->writer->queue.next, &write->link);
    ++write->writer->n_queued;
}

/* Answers and frees a batch that is not in the queue. */
static void finish(struct write *write, enum write_outcome outcome, const int64_t *numbers)
{
    timer_stop(&write->deadline);
    if (write->callback != NULL)
        write->callback(write->data, outcome, numbers);
    hits_free(&write->hits);
    free(write);
}

void write_abandon(struct write *write)
{
    write->callback = NULL;
    if (!h2o_linklist_is_linked(&write->link))
        return; /* it is at PostgreSQL */
    dequeue(write);
    finish(write, WRITE_UNAVAILABLE, NULL);
}

/* Its time is up: if it still waits it is answered at the end of the turn. */
static void on_overdue(struct timer *timer)
{
    struct write *write = H2O_STRUCT_FROM_MEMBER(struct write, deadline, timer);

    write->overdue = true;
    kick(write->writer);
}

/* Lets what waits leave at the end of the loop's turn, together with what else the turn brings. */
static void kick(struct writer *writer)
{
    worker_at_turn_end(writer->worker, &writer->turn_end, on_turn_end);
}

static struct write *write_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct write, link, link);
}

/* Answers the batches that cannot or need not wait any longer. */
static void drop_overdue(struct writer *writer)
{
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = writer->queue.next; link != &writer->queue; link = next) {
        struct write *write = write_of(link);
        next = link->next;
        if (!write->overdue && writer->n_ready != 0)
            continue;
        dequeue(write);
        finish(write, WRITE_UNAVAILABLE, NULL);
    }
    while (writer->n_ready == 0 && !h2o_linklist_is_empty(&writer->requests)) {
        struct lane_request *request =
            H2O_STRUCT_FROM_MEMBER(struct lane_request, link, writer->requests.next);
        h2o_linklist_unlink(&request->link);
        if (request->callback != NULL)
            request->callback(request->data, WRITE_UNAVAILABLE, 0);
        free(request);
    }
}

static void on_turn_end(struct turn_end *turn_end)
{
    struct writer *writer = H2O_STRUCT_FROM_MEMBER(struct writer, turn_end, turn_end);

    drop_overdue(writer);
    for (size_t i = 0; i < writer->n_sessions; ++i) {
        struct write_session *session = &writer->sessions[i];
        if (session->busy || timer_is_waiting(&session->pause) ||
            !session_is_idle(session->session))
            continue;
        if (!h2o_linklist_is_empty(&writer->requests)) {
            send_lane_request(session);
        } else if (writer->forget_due) {
            struct buffer forget_s = {0};
            pg_add_int8(&forget_s, writer->settings->forget_s);
            writer->forget_due = false;
            session->busy = true;
            session_run(session->session, STATEMENT_FORGET_LANES,
                        &(struct pg_parameter){forget_s.bytes, forget_s.len}, 1, on_forgotten,
                        session);
            buffer_free(&forget_s);
        } else if (!send_merge(session)) {
            return; /* nothing waits */
        }
    }
}

/* --- a merge --- */

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
        dequeue(write);
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

/* Returns false when nothing waits that could leave. */
static bool send_merge(struct write_session *session)
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

    memcpy(writes, session->writes, count * sizeof(*writes));
    merge_fini(&session->merge);
    session->n_writes = 0;
    session->busy = false;
    return count;
}

static void finish_all(struct write_session *session, enum write_outcome outcome)
{
    struct write *writes[MERGE_MAX_BATCHES];
    size_t count = take_writes(session, writes);

    for (size_t i = 0; i < count; ++i)
        finish(writes[i], outcome, NULL);
}

/* Puts the batches back to the head of the queue, in their order. */
static void put_back(struct write_session *session, bool alone)
{
    struct write *writes[MERGE_MAX_BATCHES];
    size_t count = take_writes(session, writes);

    for (size_t i = count; i-- > 0;) {
        writes[i]->alone |= alone;
        if (writes[i]->callback != NULL)
            enqueue_first(writes[i]);
        else
            finish(writes[i], WRITE_UNAVAILABLE, NULL);
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
        finish(writes[i], WRITE_APPLIED, numbers);
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
        if (at < n_lanes && sequences[at] == batch->sequence - 1 && writes[i]->callback != NULL)
            enqueue_first(writes[i]);
        else if (at < n_lanes && sequences[at] == batch->sequence)
            finish(writes[i], WRITE_REPEAT, NULL);
        else
            finish(writes[i], WRITE_CONFLICT, NULL);
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

    kick(session->writer);
    if (answer->outcome == PG_LOST) {
        finish_all(session, WRITE_UNAVAILABLE);
        return;
    }
    if (answer->outcome == PG_FAILED) {
        log_event(LOG_LEVEL_WARNING, "batch-failed", "sqlstate=%s batches=%zu error=%s",
                  answer->sqlstate, session->n_writes,
                  LOG_QUOTED(PQresultErrorField(answer->result, PG_DIAG_MESSAGE_PRIMARY)));
        on_refused(session, answer->sqlstate);
        return;
    }
    if (answer->warned) {
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
        finish_all(session, WRITE_UNAVAILABLE);
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

    kick(session->writer);
}

/* PostgreSQL refused the statement and rolled it back. */
static void on_refused(struct write_session *session, const char *sqlstate)
{
    if (class_is(sqlstate, "40") || class_is(sqlstate, "53") || class_is(sqlstate, "55") ||
        class_is(sqlstate, "57") || class_is(sqlstate, "08")) {
        put_back(session, false);
        timer_start_after(&session->writer->worker->timers, &session->pause,
                          RETRY_PAUSE_MS + jitter(RETRY_PAUSE_MS), on_pause_over);
    } else if (!class_is(sqlstate, "22") && !class_is(sqlstate, "23")) {
        /* a missing table, a bug: to be repeated once the schema has been looked at anew */
        finish_all(session, WRITE_UNAVAILABLE);
        session_reset(session->session, "a batch failed in a way that was not foreseen");
    } else if (session->n_writes > 1) {
        put_back(session, true);
    } else {
        struct buffer lane = {0};
        pg_add_int8(&lane, session->batches[0]->lane);
        session_run(session->session, STATEMENT_END_LANE,
                    &(struct pg_parameter){lane.bytes, lane.len}, 1, on_lane_ended, session);
        buffer_free(&lane);
    }
}

/* The lane of a refused batch is gone: no late copy of the batch can be applied any more. */
static void on_lane_ended(void *data, const struct pg_answer *answer)
{
    struct write_session *session = data;
    bool ended = answer->outcome == PG_DONE && !answer->warned;

    kick(session->writer);
    finish_all(session, ended ? WRITE_REFUSED : WRITE_UNAVAILABLE);
}

/* --- lanes --- */

struct lane_request *writer_new_lane(struct writer *writer, lane_callback callback, void *data)
{
    struct lane_request *request = h2o_mem_alloc(sizeof(*request));

    *request = (struct lane_request){.callback = callback, .data = data};
    h2o_linklist_insert(&writer->requests, &request->link);
    kick(writer);
    return request;
}

void lane_request_abandon(struct lane_request *request)
{
    request->callback = NULL; /* a lane that nobody asked for any more is forgotten in a day */
}

/* Lanes are drawn by lot: a counter in the ledger could come again after a backup was restored, and
 * then two renderers would share a lane, each taking the other's batches for its own. */
static int64_t draw_lane(void)
{
    uint64_t random = 0;

    while (getrandom(&random, sizeof(random), 0) != sizeof(random) ||
           (random &= (uint64_t)LANE_MAX - 1) == 0)
        ;
    return (int64_t)random;
}

static void send_lane_request(struct write_session *session)
{
    struct lane_request *request =
        H2O_STRUCT_FROM_MEMBER(struct lane_request, link, session->writer->requests.next);
    struct buffer lane = {0};

    h2o_linklist_unlink(&request->link);
    request->lane = draw_lane();
    pg_add_int8(&lane, request->lane);
    session->request = request;
    session->busy = true;
    session_run(session->session, STATEMENT_NEW_LANE, &(struct pg_parameter){lane.bytes, lane.len},
                1, on_new_lane, session);
    buffer_free(&lane);
}

static void on_new_lane(void *data, const struct pg_answer *answer)
{
    struct write_session *session = data;
    struct lane_request *request = session->request;
    bool made = answer->outcome == PG_DONE && !answer->warned && PQntuples(answer->result) == 1;

    if (answer->outcome == PG_FAILED)
        log_event(LOG_LEVEL_ERROR, "lane-failed", "sqlstate=%s error=%s", answer->sqlstate,
                  LOG_QUOTED(PQresultErrorField(answer->result, PG_DIAG_MESSAGE_PRIMARY)));
    kick(session->writer);
    session->busy = false;
    session->request = NULL;
    if (request->callback != NULL)
        request->callback(request->data, made ? WRITE_APPLIED : WRITE_UNAVAILABLE,
                          made ? request->lane : 0);
    free(request);
}

static void on_forget_due(struct timer *timer)
{
    struct writer *writer = H2O_STRUCT_FROM_MEMBER(struct writer, forget, timer);

    writer->forget_due = true;
    timer_start_after(&writer->worker->timers, &writer->forget, forget_every_ms(writer),
                      on_forget_due);
    kick(writer);
}

static void on_forgotten(void *data, const struct pg_answer *answer)
{
    struct write_session *session = data;

    if (answer->outcome == PG_FAILED)
        log_event(LOG_LEVEL_WARNING, "forget-failed", "sqlstate=%s", answer->sqlstate);
    session->busy = false;
    kick(session->writer);
}

/* --- sessions --- */

/* The worker can write as long as one of its sessions can. */
static void count_ready(struct writer *writer)
{
    writer->n_ready = 0;
    for (size_t i = 0; i < writer->n_sessions; ++i)
        writer->n_ready += session_is_ready(writer->sessions[i].session);
    writer->on_change(writer->worker);
    kick(writer);
}

static void on_ready(void *data)
{
    count_ready(((struct write_session *)data)->writer);
}

static void on_lost(void *data)
{
    count_ready(((struct write_session *)data)->writer);
}

void writer_close(struct writer *writer)
{
    if (writer == NULL)
        return;
    for (size_t i = 0; i < writer->n_sessions; ++i) {
        struct write_session *session = &writer->sessions[i];
        session_close(session->session);
        timer_stop(&session->pause);
        for (size_t j = 0; j < session->n_writes; ++j)
            session->writes[j]->callback = NULL;
        finish_all(session, WRITE_UNAVAILABLE);
        free(session->request);
    }
    while (!h2o_linklist_is_empty(&writer->queue))
        write_abandon(write_of(writer->queue.next));
    while (!h2o_linklist_is_empty(&writer->requests)) {
        h2o_linklist_t *link = writer->requests.next;
        h2o_linklist_unlink(link);
        free(H2O_STRUCT_FROM_MEMBER(struct lane_request, link, link));
    }
    timer_stop(&writer->forget);
    turn_end_cancel(&writer->turn_end);
    timer_queue_fini(&writer->deadlines);
    free(writer);
}
