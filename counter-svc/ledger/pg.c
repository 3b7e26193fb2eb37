#include "counter-svc/ledger/pg_private.h"

#include "counter-svc/ledger/counter_metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The pause between rounds of attempts doubles from MIN_PAUSE_MS to MAX_PAUSE_MS; half of it is
 * jitter. */
#define MIN_PAUSE_MS 50
#define MAX_PAUSE_MS 1000

/* libpq's block of output, and the lengths of its messages (fe-misc.c: pqPutMsgEnd; PostgreSQL's
 * manual, 55.7: Describe of an unnamed portal, Execute of it, Sync). */
#define LIBPQ_BLOCK_BYTES 8192
#define DESCRIBE_BYTES    7
#define EXECUTE_BYTES     10
#define SYNC_BYTES        5

/* The socket's buffer has room for a whole entry of the journal, so that the entry is sent in one
 * write. */
#define SEND_BUFFER_BYTES (512 * 1024)

static void on_query_deadline(struct timer *timer);
static void on_writable(h2o_socket_t *socket, const char *error);
static void on_pg_pause_over(struct timer *timer);

struct pg *pg_open(struct worker *worker, const struct postgres_url *url,
                   uint64_t connect_timeout_ms, const struct pg_owner *owner)
{
    struct pg *pg = h2o_mem_alloc(sizeof(*pg));

    *pg = (struct pg){
        .worker = worker, .url = url, .owner = *owner, .connect_timeout_ms = connect_timeout_ms};
    /* from the loop, like every callback */
    timer_start_after(&worker->timers, &pg->pause, 0, on_pg_pause_over);
    return pg;
}

void pg_disconnect(struct pg *pg)
{
    timer_stop(&pg->deadline);
    if (pg->socket != NULL)
        h2o_socket_close(pg->socket);
    pg->socket = NULL;
    PQfinish(pg->conn);
    pg->conn = NULL;
    pg->connected = pg->is_set_up = false;
    PQclear(pg->result);
    pg->result = NULL;
}

void pg_close(struct pg *pg)
{
    if (pg == NULL)
        return;
    resolver_cancel(&pg->resolver);
    timer_stop(&pg->pause);
    pg_disconnect(pg);
    free(pg);
}

static void on_pg_pause_over(struct timer *timer)
{
    pg_connect(H2O_STRUCT_FROM_MEMBER(struct pg, pause, timer));
}

void pg_attach(struct pg *pg)
{
    INVARIANT(!pg->connected && pg->callback == NULL);
    timer_stop(&pg->deadline);
    setsockopt(PQsocket(pg->conn), SOL_SOCKET, SO_SNDBUF, &(int){SEND_BUFFER_BYTES}, sizeof(int));
    pg->connected = true;
    pg->first_host = pg->host;
    metric_add(&counter_metrics_of(pg->worker)->connects, 1);
    pg->owner.on_connected(pg->owner.data);
}

/* --- queries --- */

bool pg_is_idle(const struct pg *pg)
{
    return pg->connected && pg->callback == NULL;
}

/* Writes libpq's buffer. The rest is written when the socket is writable again. */
static int flush(struct pg *pg)
{
    int left = PQflush(pg->conn);

    if (left == 1 && !h2o_socket_is_writing(pg->socket))
        h2o_socket_notify_write(pg->socket, on_writable);
    return left < 0 ? -1 : 0;
}

static void on_writable(h2o_socket_t *socket, const char *error)
{
    struct pg *pg = socket->data;

    (void)error;
    if (flush(pg) != 0)
        pg_lose(pg, PQerrorMessage(pg->conn));
}

/* Notes a query that libpq has accepted (`sent`) or refused. A refused one fails at once, but from
 * the loop: a callback never runs within the call that starts the query. */
static void begin(struct pg *pg, int sent, uint64_t deadline_ms, pg_callback callback, void *data)
{
    pg->callback = callback;
    pg->data = data;
    pg->warned = false;
    if (!sent || flush(pg) != 0)
        deadline_ms = 0;
    timer_start_after(&pg->worker->timers, &pg->deadline, deadline_ms, on_query_deadline);
}

void pg_run_text(struct pg *pg, const char *sql, uint64_t deadline_ms, pg_callback callback,
                 void *data)
{
    INVARIANT(pg_is_idle(pg));
    begin(pg, PQsendQuery(pg->conn, sql), deadline_ms, callback, data);
}

void pg_run_prepare(struct pg *pg, const char *name, const char *sql, uint64_t deadline_ms,
                    pg_callback callback, void *data)
{
    INVARIANT(pg_is_idle(pg));
    begin(pg, PQsendPrepare(pg->conn, name, sql, 0, NULL), deadline_ms, callback, data);
}

void pg_run_prepared(struct pg *pg, const char *name, const struct pg_parameter *parameters,
                     int count, uint64_t deadline_ms, pg_callback callback, void *data)
{
    const char *values[PG_MAX_PARAMETERS];
    int lengths[PG_MAX_PARAMETERS], formats[PG_MAX_PARAMETERS];

    INVARIANT(pg_is_idle(pg) && count <= PG_MAX_PARAMETERS);
    for (int i = 0; i < count; ++i) {
        values[i] = parameters[i].bytes;
        lengths[i] = (int)parameters[i].len;
        formats[i] = 1;
    }
    begin(pg, PQsendQueryPrepared(pg->conn, name, count, values, lengths, formats, 1), deadline_ms,
          callback, data);
}

size_t pg_padding(const char *name, const struct pg_parameter *parameters, int count)
{
    /* Bind: type, length, portal's name, statement's name, formats, values, the result's format */
    size_t bytes = 1 + 4 + 1 + strlen(name) + 1 + 2 + 2 * (size_t)count + 2 + 2 + 2, behind_execute;

    for (int i = 0; i < count; ++i)
        bytes += 4 + parameters[i].len;
    behind_execute = (bytes + DESCRIBE_BYTES + EXECUTE_BYTES) % LIBPQ_BLOCK_BYTES;
    if (behind_execute == 0)
        return 1;
    return behind_execute > LIBPQ_BLOCK_BYTES - SYNC_BYTES ? LIBPQ_BLOCK_BYTES - behind_execute + 1
                                                           : 0;
}

/* The next round begins with the host after this one. */
static void prefer_next_host(struct pg *pg)
{
    if (!pg->follows)
        pg->first_host = (pg->host + 1) % pg->url->n_hosts;
}

static void on_query_deadline(struct timer *timer)
{
    struct pg *pg = H2O_STRUCT_FROM_MEMBER(struct pg, deadline, timer);

    prefer_next_host(pg);
    pg_lose(pg, PQstatus(pg->conn) == CONNECTION_OK ? "a query was not answered in time"
                                                    : PQerrorMessage(pg->conn));
}

static bool is_error(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY;
}

static const char *error_field(const PGresult *result, int field, const char *fallback)
{
    const char *value = PQresultErrorField(result, field);

    return value != NULL ? value : fallback;
}

/* Ends the query. ReadyForQuery has arrived. */
static void finish_query(struct pg *pg)
{
    pg_callback callback = pg->callback;
    PGresult *result = pg->result;
    struct pg_answer answer = {
        .result = result, .sqlstate = "", .message = "", .warned = pg->warned};

    if (result != NULL && is_error(result)) {
        answer.outcome = PG_FAILED;
        answer.sqlstate = error_field(result, PG_DIAG_SQLSTATE, "");
        answer.message = error_field(result, PG_DIAG_MESSAGE_PRIMARY, "no message");
    }
    timer_stop(&pg->deadline);
    pg->result = NULL;
    pg->callback = NULL;
    callback(pg->data, &answer);
    PQclear(result);
}

/* Passes on notifications. Drops those that come during a query. */
static void take_notifications(struct pg *pg)
{
    PGnotify *notification;

    while ((notification = PQnotifies(pg->conn)) != NULL) {
        if (pg->callback == NULL && pg->owner.on_notified != NULL)
            pg->owner.on_notified(pg->owner.data, notification->relname);
        PQfreemem(notification);
    }
}

void pg_on_readable(h2o_socket_t *socket, const char *error)
{
    struct pg *pg = socket->data;

    (void)error;
    if (!PQconsumeInput(pg->conn) || flush(pg) != 0) {
        pg_lose(pg, PQerrorMessage(pg->conn));
        return;
    }
    take_notifications(pg);
    while (!PQisBusy(pg->conn)) {
        PGresult *result = PQgetResult(pg->conn);
        if (PQstatus(pg->conn) == CONNECTION_BAD) {
            PQclear(result);
            pg_lose(pg, PQerrorMessage(pg->conn));
            return;
        }
        if (result == NULL) {
            if (pg->callback != NULL && pg->result != NULL)
                finish_query(pg);
            else if (pg->callback != NULL)
                pg_lose(pg, "a query was answered with nothing");
            return;
        }
        if (pg->result != NULL && is_error(pg->result)) {
            PQclear(result); /* the first error is kept */
        } else {
            PQclear(pg->result);
            pg->result = result;
        }
    }
}

/* --- the loss of a connection --- */

void pg_reset(struct pg *pg, const char *reason)
{
    pg_lose(pg, reason);
}

void pg_leave_host(struct pg *pg, const char *reason)
{
    prefer_next_host(pg);
    pg_lose(pg, reason);
}

void pg_set_up_done(struct pg *pg)
{
    pg->is_set_up = true;
}

int pg_announced_process(const struct pg *pg)
{
    return PQbackendPID(pg->conn);
}

size_t pg_host(const struct pg *pg)
{
    return pg->host;
}

void pg_follow(struct pg *pg, size_t host)
{
    pg->follows = true;
    pg->first_host = host;
    if (pg->host == host || timer_is_waiting(&pg->pause))
        return;
    resolver_cancel(&pg->resolver);
    pg_lose(pg, "the journal is on another host");
}

void pg_lose(struct pg *pg, const char *reason)
{
    static const struct pg_answer LOST = {.outcome = PG_LOST, .sqlstate = "", .message = ""};
    pg_callback callback = pg->callback;
    struct counter_metrics *metrics = counter_metrics_of(pg->worker);
    bool was_connected = pg->connected, was_set_up = pg->is_set_up;

    metric_add(was_connected ? &metrics->losses : &metrics->connect_failures, 1);
    if (reason != pg->reason)
        snprintf(pg->reason, sizeof(pg->reason), "%.*s", (int)strcspn(reason, "\n"), reason);
    pg_disconnect(pg);
    pg->pause_ms = was_set_up || pg->pause_ms == 0 ? MIN_PAUSE_MS : pg->pause_ms * 2;
    if (pg->pause_ms > MAX_PAUSE_MS)
        pg->pause_ms = MAX_PAUSE_MS;
    timer_stop(&pg->pause);
    timer_start_after(&pg->worker->timers, &pg->pause, pg->pause_ms / 2 + jitter(pg->pause_ms / 2),
                      on_pg_pause_over);
    pg->callback = NULL;
    if (callback != NULL)
        callback(pg->data, &LOST);
    pg->owner.on_lost(pg->owner.data, pg->reason);
}
