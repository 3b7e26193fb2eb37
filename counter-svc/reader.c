#include "counter-svc/reader.h"

#include "counter-svc/counter_metrics.h"
#include "counter-svc/pg_array.h"
#include "service/log.h"

#include <stdlib.h>

/* Totals are read again when they are older than this: a few times a second at high load, and
 * always for a visitor who is alone, who would see that they do not fit the rows. */
#define TOTALS_MS 100

/* Without anybody asking they are read so often, for metrics. */
#define REFRESH_MS 5000

/* Above every path: all begin with a slash, and this is the character behind it. */
#define ABOVE_ALL_PATHS "0"

enum read_kind { READ_ROWS, READ_COUNTS, READ_PATH, READ_TOTALS };

/* A request, from its start until its callback. */
struct read {
    h2o_linklist_t link; /* in the reader's queue, or among those that the query is for */
    struct reader *reader;
    enum read_kind kind;
    struct trace trace;
    struct view *view;   /* READ_ROWS */
    struct buffer paths; /* READ_COUNTS: the statement's parameter; READ_PATH: the path */
    size_t n_paths;
    read_callback callback; /* NULL once abandoned */
    void *data;
    struct timer deadline;
    bool overdue;
};

struct reader {
    struct worker *worker;
    struct counter_metrics *metrics;
    const struct reader_settings *settings;
    struct session *session;
    void (*on_change)(struct worker *worker);
    h2o_linklist_t queue; /* what waits to be sent */
    h2o_linklist_t away;  /* what the query at PostgreSQL is for; all of one kind and view */
    int64_t n_queued;
    struct timer_queue deadlines;
    struct turn_end turn_end;
    struct timer refresh;
    bool refresh_due;
    bool busy;
    uint64_t sent_ns; /* when the query was */
    struct totals totals;
    uint64_t totals_at_ms; /* 0: none */
};

static void kick(struct reader *reader);
static void on_turn_end(struct turn_end *turn_end);
static void on_overdue(struct timer *timer);
static void on_refresh_due(struct timer *timer);
static void send_totals(struct reader *reader);
static void on_totals(void *data, const struct pg_answer *answer);
static void send_rows(struct reader *reader, const struct view *view);
static void on_rows(void *data, const struct pg_answer *answer);
static void send_counts(struct reader *reader, const struct buffer *paths);
static void on_counts(void *data, const struct pg_answer *answer);
static void send_path(struct reader *reader, const struct buffer *path);
static void on_path(void *data, const struct pg_answer *answer);
static void on_session_change(void *data);

struct reader *reader_open(struct worker *worker, const struct session_settings *session_settings,
                           const struct reader_settings *settings,
                           void (*on_change)(struct worker *worker))
{
    struct reader *reader = h2o_mem_alloc(sizeof(*reader));
    struct session_owner owner = {on_session_change, on_session_change, reader};

    *reader = (struct reader){.worker = worker,
                              .metrics = counter_metrics_of(worker),
                              .settings = settings,
                              .on_change = on_change};
    h2o_linklist_init_anchor(&reader->queue);
    h2o_linklist_init_anchor(&reader->away);
    timer_queue_init(&reader->deadlines, &worker->timers, (uint64_t)settings->deadline_ms);
    timer_start_after(&worker->timers, &reader->refresh, REFRESH_MS, on_refresh_due);
    reader->session = session_open(worker, session_settings, &owner);
    return reader;
}

bool reader_is_ready(const struct reader *reader)
{
    return session_is_ready(reader->session);
}

/* --- requests --- */

static struct read *add(struct reader *reader, enum read_kind kind, const struct trace *trace,
                        read_callback callback, void *data)
{
    struct read *read = h2o_mem_alloc(sizeof(*read));

    *read = (struct read){
        .reader = reader, .kind = kind, .trace = *trace, .callback = callback, .data = data};
    h2o_linklist_insert(&reader->queue, &read->link);
    metric_add(&reader->metrics->reads_waiting, 1);
    if (++reader->n_queued > reader->settings->max_reads || !reader_is_ready(reader))
        read->overdue = true; /* answered at the end of the turn */
    else
        timer_start(&reader->deadlines, &read->deadline, on_overdue);
    kick(reader);
    return read;
}

struct read *reader_rows(struct reader *reader, const struct view *view, const struct trace *trace,
                         read_callback callback, void *data)
{
    struct read *read = add(reader, READ_ROWS, trace, callback, data);

    read->view = h2o_mem_alloc(sizeof(*view));
    *read->view = *view;
    return read;
}

struct read *reader_counts(struct reader *reader, const struct batch *batch,
                           const struct trace *trace, read_callback callback, void *data)
{
    struct read *read = add(reader, READ_COUNTS, trace, callback, data);

    read->n_paths = batch->size;
    pg_add_text_array_head(&read->paths, batch->size);
    for (size_t i = 0; i < batch->size; ++i)
        pg_add_text_element(&read->paths, batch->entries[i].path, batch->entries[i].path_len);
    return read;
}

struct read *reader_path(struct reader *reader, const char *path, size_t len,
                         const struct trace *trace, read_callback callback, void *data)
{
    struct read *read = add(reader, READ_PATH, trace, callback, data);

    buffer_add(&read->paths, path, len);
    return read;
}

struct read *reader_totals(struct reader *reader, const struct trace *trace, read_callback callback,
                           void *data)
{
    return add(reader, READ_TOTALS, trace, callback, data);
}

static struct read *read_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct read, link, link);
}

/* Answers and frees a request, in whichever list it is. */
static void finish(struct read *read, const struct read_result *result)
{
    h2o_linklist_unlink(&read->link);
    metric_subtract(&read->reader->metrics->reads_waiting, 1);
    timer_stop(&read->deadline);
    if (read->callback != NULL)
        read->callback(read->data, result);
    free(read->view);
    buffer_free(&read->paths);
    free(read);
}

void read_abandon(struct read *read)
{
    read->callback = NULL; /* it goes its way; the query may be for others, too */
}

static void on_overdue(struct timer *timer)
{
    struct read *read = H2O_STRUCT_FROM_MEMBER(struct read, deadline, timer);

    read->overdue = true;
    kick(read->reader);
}

static void kick(struct reader *reader)
{
    worker_at_turn_end(reader->worker, &reader->turn_end, on_turn_end);
}

/* --- queries --- */

static void drop_overdue(struct reader *reader)
{
    static const struct read_result NOTHING = {0};
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = reader->queue.next; link != &reader->queue; link = next) {
        struct read *read = read_of(link);
        next = link->next;
        if (!read->overdue && reader_is_ready(reader))
            continue;
        --reader->n_queued;
        finish(read, &NOTHING);
    }
}

static bool can_share(const struct read *a, const struct read *b)
{
    if (a->kind != b->kind)
        return false;
    return a->kind == READ_TOTALS || (a->kind == READ_ROWS && view_equals(a->view, b->view));
}

/* Moves the first request, and all that can share its query, to those that are away. */
static struct read *take_first(struct reader *reader)
{
    struct read *first = read_of(reader->queue.next);
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = reader->queue.next; link != &reader->queue; link = next) {
        struct read *read = read_of(link);
        next = link->next;
        if (read != first && !can_share(first, read))
            continue;
        h2o_linklist_unlink(link);
        h2o_linklist_insert(&reader->away, link);
        --reader->n_queued;
    }
    return first;
}

static void on_turn_end(struct turn_end *turn_end)
{
    struct reader *reader = H2O_STRUCT_FROM_MEMBER(struct reader, turn_end, turn_end);
    struct read *first;

    drop_overdue(reader);
    if (reader->busy || !session_is_idle(reader->session) ||
        (h2o_linklist_is_empty(&reader->queue) && !reader->refresh_due))
        return;
    reader->busy = true;
    reader->sent_ns = monotonic_ns();
    if (reader->refresh_due || reader->totals_at_ms == 0 ||
        monotonic_ms() - reader->totals_at_ms > TOTALS_MS) {
        send_totals(reader);
        return;
    }
    first = take_first(reader);
    if (first->kind == READ_ROWS)
        send_rows(reader, first->view);
    else if (first->kind == READ_COUNTS)
        send_counts(reader, &first->paths);
    else if (first->kind == READ_PATH)
        send_path(reader, &first->paths);
    else
        send_totals(reader);
}

static void on_refresh_due(struct timer *timer)
{
    struct reader *reader = H2O_STRUCT_FROM_MEMBER(struct reader, refresh, timer);

    reader->refresh_due = monotonic_ms() - reader->totals_at_ms >= REFRESH_MS;
    timer_start_after(&reader->worker->timers, &reader->refresh, REFRESH_MS, on_refresh_due);
    kick(reader);
}

/* A number of the only row, or -1 for NULL. */
static int64_t number_at(const PGresult *result, int column)
{
    return PQgetisnull(result, 0, column) ? -1 : pg_int8(PQgetvalue(result, 0, column));
}

/* Answers everybody whom the query was for, and goes on. */
static void finish_away(struct reader *reader, const struct read_result *result)
{
    reader->busy = false;
    while (!h2o_linklist_is_empty(&reader->away))
        finish(read_of(reader->away.next), result);
    kick(reader);
}

/* The line names the first of the requests that the query is for; the totals may be read for none. */
static void log_failure(struct reader *reader, const struct pg_answer *answer)
{
    bool any = !h2o_linklist_is_empty(&reader->away);
    const char *error = PQresultErrorField(answer->result, PG_DIAG_MESSAGE_PRIMARY);

    log_event(LOG_LEVEL_WARNING, "read-failed", "sqlstate=%s error=%s trace=%s", answer->sqlstate,
              LOG_QUOTED(error), any ? read_of(reader->away.next)->trace.id : "none");
}

/* Whether there is an answer to read: a failure is logged here, the requests get nothing. */
static bool has_answer(struct reader *reader, const struct pg_answer *answer)
{
    static const struct read_result NOTHING = {0};

    if (answer->outcome == PG_DONE) {
        histogram_add_ns(&reader->metrics->read_seconds, monotonic_ns() - reader->sent_ns);
        return true;
    }
    if (answer->outcome == PG_FAILED)
        log_failure(reader, answer);
    finish_away(reader, &NOTHING);
    /* a missing table: the schema is to be looked at anew */
    if (answer->outcome == PG_FAILED && answer->sqlstate[0] == '4')
        session_reset(reader->session, "a read failed in a way that was not foreseen");
    return false;
}

static void send_totals(struct reader *reader)
{
    reader->refresh_due = false;
    session_run(reader->session, STATEMENT_TOTALS, NULL, 0, on_totals, reader);
}

static void on_totals(void *data, const struct pg_answer *answer)
{
    struct reader *reader = data;

    if (!has_answer(reader, answer))
        return;
    reader->totals = (struct totals){pg_int8(PQgetvalue(answer->result, 0, 0)),
                                     pg_int8(PQgetvalue(answer->result, 0, 1))};
    reader->totals_at_ms = monotonic_ms();
    metric_set(&reader->metrics->ledger_paths, (uint64_t)reader->totals.paths);
    metric_set(&reader->metrics->ledger_hits, (uint64_t)reader->totals.hits);
    finish_away(reader, &(struct read_result){.totals = &reader->totals});
}

/* The bounds of the view's prefix. */
static void add_bounds(const struct view *view, struct pg_parameter *low, struct pg_parameter *high,
                       char above[PATH_MAX_BYTES + 1])
{
    *low = (struct pg_parameter){view->prefix, view->prefix_len};
    if (prefix_upper_bound(view->prefix, view->prefix_len, above, &high->len))
        high->bytes = above;
    else
        *high = (struct pg_parameter){ABOVE_ALL_PATHS, 1};
}

/* By which statement a view is read. */
static enum statement choose_statement(const struct view *view)
{
    if (view->order == VIEW_BY_PATH)
        return view->backwards ? STATEMENT_ROWS_BY_PATH_BACK : STATEMENT_ROWS_BY_PATH;
    if (!view->has_after && !view->has_prefix)
        return STATEMENT_TOP;
    return view->backwards ? STATEMENT_ROWS_BY_COUNT_BACK : STATEMENT_ROWS_BY_COUNT;
}

static void send_rows(struct reader *reader, const struct view *view)
{
    enum statement statement = choose_statement(view);
    struct pg_parameter low = {0}, high = {0}, after = {view->after_path, view->after_len}, count,
                        limit;
    char above[PATH_MAX_BYTES + 1];
    struct buffer numbers = {0};

    pg_add_int8(&numbers, view->has_after ? view->after_count : INT64_MAX);
    pg_add_int8(&numbers, view->limit + 1); /* one more tells whether there is a next page */
    count = (struct pg_parameter){numbers.bytes, 8};
    limit = (struct pg_parameter){numbers.bytes + 8, 8};
    add_bounds(view, &low, &high, above);
    if (view->order == VIEW_BY_PATH)
        session_run(reader->session, statement, (struct pg_parameter[]){after, low, high, limit}, 4,
                    on_rows, reader);
    else if (statement != STATEMENT_TOP)
        session_run(reader->session, statement,
                    (struct pg_parameter[]){count, after, low, high, limit}, 5, on_rows, reader);
    else
        session_run(reader->session, statement, &limit, 1, on_rows, reader);
    buffer_free(&numbers);
}

/* Adds the cursors that go on from these rows; `more`: there are further ones. Where the view came from
 * there are, too, or were a moment ago. */
static void add_cursors(const struct view *view, struct rows *rows, bool more, struct buffer *next,
                        struct buffer *previous)
{
    const struct row *first = rows->rows, *last;

    if (rows->size == 0)
        return;
    last = &rows->rows[rows->size - 1];
    if (view->backwards || more) {
        cursor_encode(next, view->order, last->path, last->path_len, last->count);
        rows->next = next->bytes;
        rows->next_len = next->len;
    }
    if (view->backwards ? more : view->has_after) {
        cursor_encode(previous, view->order, first->path, first->path_len, first->count);
        rows->previous = previous->bytes;
        rows->previous_len = previous->len;
    }
}

/* How many of the rows found make the view: they are in its order, or against it from its end. */
static size_t count_fitting(const PGresult *result, const struct view *view)
{
    size_t found = (size_t)PQntuples(result), bytes = 0;

    for (size_t i = 0; i != found; ++i) {
        bytes += (size_t)PQgetlength(result, (int)i, 0);
        if (i == view->limit || (i != 0 && bytes > VIEW_MAX_PATH_BYTES))
            return i;
    }
    return found;
}

static void on_rows(void *data, const struct pg_answer *answer)
{
    struct reader *reader = data;
    struct row table[VIEW_MAX_ROWS];
    struct rows rows = {.rows = table, .totals = reader->totals};
    struct buffer json = {0}, next = {0}, previous = {0};
    const struct view *view;

    if (!has_answer(reader, answer))
        return;
    view = read_of(reader->away.next)->view;
    rows.size = count_fitting(answer->result, view);
    for (size_t i = 0; i != rows.size; ++i) {
        int from = (int)(view->backwards ? rows.size - 1 - i : i);
        table[i] = (struct row){.path = PQgetvalue(answer->result, from, 0),
                                .path_len = (size_t)PQgetlength(answer->result, from, 0),
                                .count = pg_int8(PQgetvalue(answer->result, from, 1))};
    }
    add_cursors(view, &rows, (size_t)PQntuples(answer->result) > rows.size, &next, &previous);
    rows_encode(&json, &rows);
    finish_away(reader, &(struct read_result){.rows = &json});
    buffer_free(&json);
    buffer_free(&next);
    buffer_free(&previous);
}

static void send_counts(struct reader *reader, const struct buffer *paths)
{
    session_run(reader->session, STATEMENT_COUNTS,
                (struct pg_parameter[]){{paths->bytes, paths->len},
                                        {PATH_OVERFLOW, sizeof(PATH_OVERFLOW) - 1}},
                2, on_counts, reader);
}

static void on_counts(void *data, const struct pg_answer *answer)
{
    struct reader *reader = data;
    struct number numbers[BATCH_MAX_PATHS];
    int64_t counts[BATCH_MAX_PATHS], overflow;
    int found;

    if (!has_answer(reader, answer))
        return;
    found = pg_int8_array(PQgetvalue(answer->result, 0, 0), PQgetlength(answer->result, 0, 0),
                          counts, BATCH_MAX_PATHS);
    overflow = number_at(answer->result, 1);
    for (int i = 0; i < found; ++i)
        numbers[i] = counts[i] == 0 && overflow > 0 ? (struct number){overflow, true}
                                                    : (struct number){counts[i], false};
    finish_away(reader,
                &(struct read_result){
                    .numbers = found == (int)read_of(reader->away.next)->n_paths ? numbers : NULL});
}

static void send_path(struct reader *reader, const struct buffer *path)
{
    struct buffer most = {0};

    pg_add_int8(&most, DETAIL_MAX_RANK);
    session_run(reader->session, STATEMENT_PATH,
                (struct pg_parameter[]){{path->bytes, path->len}, {most.bytes, most.len}}, 2,
                on_path, reader);
    buffer_free(&most);
}

static void on_path(void *data, const struct pg_answer *answer)
{
    struct path_detail detail = {0};
    struct reader *reader = data;
    int64_t before;

    if (!has_answer(reader, answer))
        return;
    if (PQntuples(answer->result) == 1) {
        detail.count = number_at(answer->result, 0);
        before = number_at(answer->result, 1);
        detail.rank = before < DETAIL_MAX_RANK ? before + 1 : 0;
        detail_set_time(detail.first, number_at(answer->result, 2));
        detail_set_time(detail.last, number_at(answer->result, 3));
    }
    finish_away(reader, &(struct read_result){.detail = &detail});
}

static void on_session_change(void *data)
{
    struct reader *reader = data;

    reader->totals_at_ms = 0; /* perhaps it is another server now */
    reader->on_change(reader->worker);
    kick(reader);
}

void reader_close(struct reader *reader)
{
    static const struct read_result NOTHING = {0};

    if (reader == NULL)
        return;
    session_close(reader->session);
    for (int i = 0; i < 2; ++i) {
        h2o_linklist_t *list = i == 0 ? &reader->queue : &reader->away;
        while (!h2o_linklist_is_empty(list)) {
            read_of(list->next)->callback = NULL;
            finish(read_of(list->next), &NOTHING);
        }
    }
    timer_stop(&reader->refresh);
    turn_end_cancel(&reader->turn_end);
    timer_queue_fini(&reader->deadlines);
    free(reader);
}
