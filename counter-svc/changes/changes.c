#include "counter-svc/changes/changes.h"

#include "base/memory.h"
#include "counter-svc/ledger/pg_array.h"
#include "counter-svc/ledger/refusal.h"
#include "server/ops/log.h"

#include <stdlib.h>
#include <string.h>

/* How many requests may wait, and how long a request may wait until it is sent, in milliseconds. */
#define MAX_WAITING 100
#define DEADLINE_MS 3000

/* The least time that a change waits for the locks of folds and appends, in milliseconds. */
#define LOCK_TIMEOUT_MS 1000

/* The least time that a change may take, in milliseconds: a path with a long history has hundreds
 * of rows. */
#define STATEMENT_TIMEOUT_MS 20000

struct change_request {
    h2o_linklist_t link;
    struct changes *changes;
    enum statement statement;
    struct buffer text;        /* of a change; of an audit the path */
    struct audit_query *query; /* of an audit */
    struct timer deadline;
    bool is_expired;
    change_callback callback; /* NULL once cancelled */
    void *data;
};

struct changes {
    struct worker *worker;
    struct session_settings settings;
    struct session *session;
    int64_t max_paths;
    int64_t audit_days;
    h2o_linklist_t queue; /* the first request is in flight while `is_in_flight` */
    size_t n_waiting;
    bool is_in_flight;
    bool is_forget_due; /* a change was made: delete old ones */
    struct deferred deferred;
};

static void on_changes_session_change(void *data);
static void on_change_deadline(struct timer *timer);
static void send_next(struct deferred *deferred);
static void on_statement_answered(void *data, const struct pg_answer *answer);
static void on_forgotten(void *data, const struct pg_answer *answer);

struct changes *changes_open(struct worker *worker, const struct session_settings *settings,
                             int64_t max_paths, int64_t audit_days)
{
    struct changes *changes = memory_allocate(1, sizeof(*changes));

    *changes = (struct changes){
        .worker = worker, .settings = *settings, .max_paths = max_paths, .audit_days = audit_days};
    if (changes->settings.lock_timeout_ms < LOCK_TIMEOUT_MS)
        changes->settings.lock_timeout_ms = LOCK_TIMEOUT_MS;
    if (changes->settings.statement_timeout_ms < STATEMENT_TIMEOUT_MS)
        changes->settings.statement_timeout_ms = STATEMENT_TIMEOUT_MS;
    h2o_linklist_init_anchor(&changes->queue);
    changes->session = session_open(
        worker, &changes->settings, SESSION_CHANGES,
        &(struct session_owner){on_changes_session_change, on_changes_session_change, changes});
    return changes;
}

static struct change_request *change_request_of(h2o_linklist_t *link)
{
    return H2O_STRUCT_FROM_MEMBER(struct change_request, link, link);
}

static void schedule(struct changes *changes)
{
    worker_defer(changes->worker, &changes->deferred, send_next);
}

static void on_changes_session_change(void *data)
{
    schedule(data);
}

void changes_follow(struct changes *changes, size_t host)
{
    session_follow(changes->session, host);
}

void changes_migrate(struct changes *changes)
{
    if (session_awaits_migration(changes->session))
        session_migrate(changes->session);
}

/* --- requests --- */

static struct change_request *add(struct changes *changes, enum statement statement,
                                  change_callback callback, void *data)
{
    struct change_request *request = memory_allocate(1, sizeof(*request));

    *request = (struct change_request){
        .changes = changes, .statement = statement, .callback = callback, .data = data};
    h2o_linklist_insert(&changes->queue, &request->link);
    request->is_expired = ++changes->n_waiting > MAX_WAITING;
    timer_start_after(&changes->worker->timers, &request->deadline, DEADLINE_MS,
                      on_change_deadline);
    schedule(changes);
    return request;
}

struct change_request *changes_make(struct changes *changes, struct buffer *json,
                                    change_callback callback, void *data)
{
    struct change_request *request = add(changes, STATEMENT_CHANGE, callback, data);

    request->text = *json;
    *json = (struct buffer){0};
    return request;
}

struct change_request *changes_audit(struct changes *changes, const struct audit_query *query,
                                     change_callback callback, void *data)
{
    struct change_request *request = add(changes, STATEMENT_AUDIT, callback, data);

    request->query = memory_allocate(1, sizeof(*query));
    *request->query = *query;
    return request;
}

void change_cancel(struct change_request *request)
{
    request->callback = NULL;
}

static void finish(struct change_request *request, const struct change_result *result)
{
    h2o_linklist_unlink(&request->link);
    --request->changes->n_waiting;
    timer_stop(&request->deadline);
    if (request->callback != NULL)
        request->callback(request->data, result);
    buffer_free(&request->text);
    free(request->query);
    free(request);
}

static void on_change_deadline(struct timer *timer)
{
    struct change_request *request = H2O_STRUCT_FROM_MEMBER(struct change_request, deadline, timer);

    request->is_expired = true;
    schedule(request->changes);
}

/* --- statements --- */

/* Answers the requests that have expired or are cancelled, unless they are in flight. */
static void drop(struct changes *changes)
{
    static const struct change_result NOTHING = {.outcome = CHANGE_UNAVAILABLE};
    h2o_linklist_t *first = changes->is_in_flight ? changes->queue.next->next : changes->queue.next;
    h2o_linklist_t *next;

    for (h2o_linklist_t *link = first; link != &changes->queue; link = next) {
        next = link->next;
        if (change_request_of(link)->is_expired || change_request_of(link)->callback == NULL)
            finish(change_request_of(link), &NOTHING);
    }
}

/* White space pads the JSON, so that the statement leaves in one write: half a statement would keep
 * the journal locked (pg_padding). */
static void send_change(struct changes *changes, struct change_request *request)
{
    struct buffer number = {0};
    struct pg_parameter parameters[2];
    size_t padding;

    pg_add_int8(&number, changes->max_paths);
    parameters[0] = (struct pg_parameter){request->text.bytes, request->text.len};
    parameters[1] = (struct pg_parameter){number.bytes, number.len};
    padding = session_padding(STATEMENT_CHANGE, parameters, 2);
    memset(buffer_reserve(&request->text, padding), ' ', padding);
    request->text.len += padding;
    parameters[0] = (struct pg_parameter){request->text.bytes, request->text.len};
    session_run(changes->session, STATEMENT_CHANGE, parameters, 2, on_statement_answered, changes);
    buffer_free(&number);
}

static void send_audit(struct changes *changes, const struct audit_query *query)
{
    struct buffer numbers = {0};

    pg_add_int8(&numbers, query->before);
    pg_add_int8(&numbers, query->limit);
    session_run(changes->session, STATEMENT_AUDIT,
                (struct pg_parameter[]){
                    {query->path, query->path_len}, {numbers.bytes, 8}, {numbers.bytes + 8, 8}},
                3, on_statement_answered, changes);
    buffer_free(&numbers);
}

static void send_forget(struct changes *changes)
{
    struct buffer days = {0};

    pg_add_int8(&days, changes->audit_days);
    changes->is_forget_due = false;
    session_run(changes->session, STATEMENT_FORGET_CHANGES,
                (struct pg_parameter[]){{days.bytes, days.len}}, 1, on_forgotten, changes);
    buffer_free(&days);
}

static void send_next(struct deferred *deferred)
{
    struct changes *changes = H2O_STRUCT_FROM_MEMBER(struct changes, deferred, deferred);
    struct change_request *request;

    drop(changes);
    if (changes->is_in_flight || !session_is_idle(changes->session))
        return;
    if (changes->is_forget_due) {
        send_forget(changes);
        return;
    }
    if (h2o_linklist_is_empty(&changes->queue))
        return;
    changes->is_in_flight = true;
    request = change_request_of(changes->queue.next);
    timer_stop(&request->deadline);
    if (request->statement == STATEMENT_CHANGE)
        send_change(changes, request);
    else
        send_audit(changes, request->query);
}

/* Returns whether PostgreSQL refused the request itself: errors of the function, of constraints, of
 * triggers. */
static bool is_refused(const struct pg_answer *answer)
{
    return refusal_is_of_class(answer->sqlstate, "PC P0 22 23 44");
}

/* Returns whether the same statement may succeed later. */
static bool is_transient(const struct pg_answer *answer)
{
    return refusal_is_of_class(answer->sqlstate, "40 53 55 57");
}

static void log_failure(const char *statement, const struct pg_answer *answer)
{
    log_event(LOG_LEVEL_WARNING, "change-failed", "statement=%s sqlstate=%s error=%s", statement,
              answer->sqlstate, LOG_QUOTED(answer->message));
}

static void on_statement_answered(void *data, const struct pg_answer *answer)
{
    struct changes *changes = data;
    struct change_request *request = change_request_of(changes->queue.next);
    struct change_result result = {.outcome = CHANGE_UNAVAILABLE};

    INVARIANT(changes->is_in_flight && !h2o_linklist_is_empty(&changes->queue));
    changes->is_in_flight = false;
    if (answer->outcome == PG_DONE && !answer->warned) {
        result = (struct change_result){CHANGE_DONE, PQgetvalue(answer->result, 0, 0),
                                        (size_t)PQgetlength(answer->result, 0, 0)};
        changes->is_forget_due = request->statement == STATEMENT_CHANGE && changes->audit_days > 0;
    } else if (answer->outcome == PG_FAILED) {
        if (is_refused(answer))
            result =
                (struct change_result){CHANGE_REFUSED, answer->message, strlen(answer->message)};
        else
            log_failure(request->statement == STATEMENT_CHANGE ? "change" : "audit", answer);
    }
    finish(request, &result);
    schedule(changes);
    if (answer->warned)
        session_leave_host(changes->session, "The commit of a change may not be safe.");
    else if (answer->outcome == PG_FAILED && !is_refused(answer) && !is_transient(answer))
        session_fail(changes->session, "A change could not be made", answer);
}

/* Changes that could not be deleted are deleted after the next change. */
static void on_forgotten(void *data, const struct pg_answer *answer)
{
    struct changes *changes = data;

    if (answer->outcome == PG_FAILED)
        log_failure("forget_changes", answer);
    schedule(changes);
    if (answer->outcome == PG_FAILED && !is_refused(answer) && !is_transient(answer))
        session_fail(changes->session, "Old changes could not be deleted", answer);
}

void changes_close(struct changes *changes)
{
    if (changes == NULL)
        return;
    session_close(changes->session);
    deferred_cancel(&changes->deferred);
    while (!h2o_linklist_is_empty(&changes->queue)) {
        change_cancel(change_request_of(changes->queue.next));
        finish(change_request_of(changes->queue.next), NULL);
    }
    free(changes);
}
