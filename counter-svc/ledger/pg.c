#include "counter-svc/ledger/pg.h"

#include "counter-svc/ledger/counter_metrics.h"
#include "counter-svc/ledger/refusal.h"
#include "server/ops/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The pause between rounds of attempts: it grows to this, with jitter of half. */
#define MIN_PAUSE_MS 50
#define MAX_PAUSE_MS 1000

#define MAX_KEYWORDS 64

/* What libpq writes at a time, and the lengths of its messages (fe-misc.c: pqPutMsgEnd; PostgreSQL's
 * manual, 55.7: Describe of an unnamed portal, Execute of it, Sync). */
#define LIBPQ_BLOCK_BYTES 8192
#define DESCRIBE_BYTES    7
#define EXECUTE_BYTES     10
#define SYNC_BYTES        5

/* Room for a whole entry of the journal in the socket, so that it leaves in one write. */
#define SEND_BUFFER_BYTES (512 * 1024)

struct pg {
    struct worker *worker;
    const struct postgres_url *url;
    struct pg_owner owner;
    uint64_t connect_timeout_ms;

    /* the round of attempts */
    struct resolver resolver;
    size_t host;                /* which of the URL's hosts */
    size_t first_host;          /* where the round begins */
    size_t hosts_tried;         /* in it */
    bool follows;               /* only first_host is tried */
    struct addresses addresses; /* of that host */
    size_t address;             /* which of them */
    bool with_previous;         /* the previous password is offered */
    bool both_tried;            /* at this address */
    uint64_t pause_ms;
    struct timer pause;
    char reason[REASON_BYTES]; /* why the last attempt failed */

    /* the connection */
    PGconn *conn;         /* NULL: none */
    h2o_socket_t *socket; /* over a duplicate of its descriptor; NULL: none */
    bool connected;
    bool is_set_up;
    struct timer deadline; /* of an attempt, or of the query */

    /* the query; there is one while `callback` is set */
    pg_callback callback;
    void *data;
    PGresult *result; /* its first error, or its last result */
    bool warned;
};

static void try_host(struct pg *pg);
static void on_resolved(void *data, const struct addresses *found, const char *error);
static void try_address(struct pg *pg);
static bool watch_connecting(struct pg *pg, PostgresPollingStatusType wanted);
static void on_connecting(h2o_socket_t *socket, const char *error);
static void on_attempt_overdue(struct timer *timer);
static bool try_other_password(struct pg *pg);
static void attempt_failed(struct pg *pg, const char *reason);
static void on_pause_over(struct timer *timer);
static void on_readable(h2o_socket_t *socket, const char *error);
static void on_query_overdue(struct timer *timer);
static void lose(struct pg *pg, const char *reason);

struct pg *pg_open(struct worker *worker, const struct postgres_url *url,
                   uint64_t connect_timeout_ms, const struct pg_owner *owner)
{
    struct pg *pg = h2o_mem_alloc(sizeof(*pg));

    *pg = (struct pg){
        .worker = worker, .url = url, .owner = *owner, .connect_timeout_ms = connect_timeout_ms};
    /* from the loop, as every call back */
    timer_start_after(&worker->timers, &pg->pause, 0, on_pause_over);
    return pg;
}

/* Ends the connection, if there is one, without telling anybody. */
static void disconnect(struct pg *pg)
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
    disconnect(pg);
    free(pg);
}

/* --- connecting --- */

static void try_host(struct pg *pg)
{
    const struct postgres_host *host = &pg->url->hosts[pg->host];

    pg->address = 0;
    if (host->name[0] == '/') {
        pg->addresses.count = 1; /* a Unix socket: nothing to look up */
        try_address(pg);
        return;
    }
    resolver_start(&pg->resolver, pg->worker, host->name, pg->connect_timeout_ms, on_resolved, pg);
}

static void on_resolved(void *data, const struct addresses *found, const char *error)
{
    struct pg *pg = data;

    pg->addresses = *found;
    if (error != NULL)
        attempt_failed(pg, error);
    else
        try_address(pg);
}

static void on_notice(void *data, const PGresult *notice)
{
    struct pg *pg = data;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);

    if (severity == NULL || strcmp(severity, "WARNING") != 0)
        return;
    pg->warned = true;
    log_event(LOG_LEVEL_WARNING, "postgres-warned", "message=%s",
              LOG_QUOTED(PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY)));
}

/* The URL's parameters and what is decided for each attempt. */
static PGconn *start_connecting(const struct pg *pg)
{
    const struct postgres_host *host = &pg->url->hosts[pg->host];
    const char *keywords[MAX_KEYWORDS + 1], *values[MAX_KEYWORDS + 1];
    size_t n = 0;
    const struct {
        const char *keyword, *value;
    } own[] = {
        {"host", host->name},
        {"port", host->port},
        {"client_encoding", "UTF8"},
        {"target_session_attrs", "read-write"},
        {"application_name", "pathcount"},
        {"keepalives_idle", "30"},
        {"keepalives_interval", "5"},
        {"keepalives_count", "3"},
        {"tcp_user_timeout", "10000"},
        {"hostaddr", host->name[0] == '/' ? NULL : pg->addresses.hosts[pg->address]},
    };

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); ++i) {
        if (own[i].value == NULL)
            continue;
        keywords[n] = own[i].keyword;
        values[n++] = own[i].value;
    }
    for (size_t i = 0; pg->url->keywords[i] != NULL && n < MAX_KEYWORDS - 1; ++i) {
        keywords[n] = pg->url->keywords[i];
        values[n++] = pg->url->values[i];
    }
    if (pg->with_previous) { /* of two values for one keyword, libpq takes the later */
        keywords[n] = "password";
        values[n++] = pg->url->previous_password;
    }
    keywords[n] = NULL;
    values[n] = NULL;
    return PQconnectStartParams(keywords, values, 0);
}

static void try_address(struct pg *pg)
{
    pg->conn = start_connecting(pg);
    if (pg->conn == NULL) {
        attempt_failed(pg, "out of memory");
        return;
    }
    if (PQstatus(pg->conn) == CONNECTION_BAD || PQsetnonblocking(pg->conn, 1) != 0) {
        attempt_failed(pg, PQerrorMessage(pg->conn));
        return;
    }
    PQsetNoticeReceiver(pg->conn, on_notice, pg);
    timer_start_after(&pg->worker->timers, &pg->deadline, pg->connect_timeout_ms,
                      on_attempt_overdue);
    watch_connecting(pg, PGRES_POLLING_WRITING);
}

/* Watches a duplicate of the descriptor that libpq has now: libpq may close its own and open
 * another with the same number between two steps. */
static bool watch_connecting(struct pg *pg, PostgresPollingStatusType wanted)
{
    int fd = fcntl(PQsocket(pg->conn), F_DUPFD_CLOEXEC, 0);

    if (pg->socket != NULL)
        h2o_socket_close(pg->socket);
    pg->socket = NULL;
    if (fd < 0) {
        attempt_failed(pg, strerror(errno));
        return false;
    }
    pg->socket = h2o_evloop_socket_create(pg->worker->loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    pg->socket->data = pg;
    if (wanted == PGRES_POLLING_WRITING)
        h2o_socket_notify_write(pg->socket, on_connecting);
    else
        h2o_socket_read_start(pg->socket, wanted == PGRES_POLLING_OK ? on_readable : on_connecting);
    return true;
}

/* libpq's own message, or more when it only says that the server accepts no writes. */
static const char *why_not_connected(const PGconn *conn)
{
    const char *message = PQerrorMessage(conn);

    return strstr(message, "session is read-only") != NULL ? REASON_READ_ONLY : message;
}

static void on_connecting(h2o_socket_t *socket, const char *error)
{
    struct pg *pg = socket->data;
    PostgresPollingStatusType wanted = PQconnectPoll(pg->conn);

    (void)error;
    if (wanted == PGRES_POLLING_FAILED) {
        if (!try_other_password(pg))
            attempt_failed(pg, why_not_connected(pg->conn));
        return;
    }
    if (!watch_connecting(pg, wanted) || wanted != PGRES_POLLING_OK)
        return;
    timer_stop(&pg->deadline);
    setsockopt(PQsocket(pg->conn), SOL_SOCKET, SO_SNDBUF, &(int){SEND_BUFFER_BYTES}, sizeof(int));
    pg->connected = true;
    pg->first_host = pg->host;
    metric_add(&counter_metrics_of(pg->worker)->connects, 1);
    pg->both_tried = false;
    if (pg->with_previous)
        log_event(LOG_LEVEL_INFO, "previous-password-used", "");
    pg->owner.on_connected(pg->owner.data);
}

/* Asks the same address again with the other password, unless that has been done, or a password had
 * nothing to do with it. Returns whether it does. */
static bool try_other_password(struct pg *pg)
{
    if (pg->url->previous_password == NULL || pg->both_tried || !PQconnectionUsedPassword(pg->conn))
        return false;
    pg->both_tried = true;
    pg->with_previous = !pg->with_previous;
    disconnect(pg);
    try_address(pg);
    return true;
}

static void on_attempt_overdue(struct timer *timer)
{
    attempt_failed(H2O_STRUCT_FROM_MEMBER(struct pg, deadline, timer), "no answer in time");
}

/* Goes on to the next address, the next host, or after a pause to the first. */
static void attempt_failed(struct pg *pg, const char *reason)
{
    snprintf(pg->reason, sizeof(pg->reason), "%.100s port %s: %.*s", pg->url->hosts[pg->host].name,
             pg->url->hosts[pg->host].port, (int)strcspn(reason, "\n"), reason);
    disconnect(pg);
    pg->both_tried = false;
    if (++pg->address < pg->addresses.count) {
        try_address(pg);
    } else if (!pg->follows && ++pg->hosts_tried < pg->url->n_hosts) {
        pg->host = (pg->host + 1) % pg->url->n_hosts;
        try_host(pg);
    } else {
        lose(pg, pg->reason);
    }
}

static void on_pause_over(struct timer *timer)
{
    struct pg *pg = H2O_STRUCT_FROM_MEMBER(struct pg, pause, timer);

    pg->host = pg->first_host;
    pg->hosts_tried = 0;
    try_host(pg);
}

/* --- queries --- */

bool pg_is_idle(const struct pg *pg)
{
    return pg->connected && pg->callback == NULL;
}

static void on_writable(h2o_socket_t *socket, const char *error);

/* Writes what libpq holds; what does not fit now goes when the socket takes more. */
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
        lose(pg, PQerrorMessage(pg->conn));
}

/* A query has been handed to libpq (`sent`), or was refused by it. What fails here is found again
 * by the loop, which then loses the connection: so callbacks never run from within the start. */
static void begin(struct pg *pg, int sent, uint64_t deadline_ms, pg_callback callback, void *data)
{
    pg->callback = callback;
    pg->data = data;
    pg->warned = false;
    if (!sent || flush(pg) != 0)
        deadline_ms = 0;
    timer_start_after(&pg->worker->timers, &pg->deadline, deadline_ms, on_query_overdue);
}

void pg_run_text(struct pg *pg, const char *sql, uint64_t deadline_ms, pg_callback callback,
                 void *data)
{
    begin(pg, PQsendQuery(pg->conn, sql), deadline_ms, callback, data);
}

void pg_run_prepare(struct pg *pg, const char *name, const char *sql, uint64_t deadline_ms,
                    pg_callback callback, void *data)
{
    begin(pg, PQsendPrepare(pg->conn, name, sql, 0, NULL), deadline_ms, callback, data);
}

void pg_run_prepared(struct pg *pg, const char *name, const struct pg_parameter *parameters,
                     int count, uint64_t deadline_ms, pg_callback callback, void *data)
{
    const char *values[PG_MAX_PARAMETERS];
    int lengths[PG_MAX_PARAMETERS], formats[PG_MAX_PARAMETERS];

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

/* The next round begins behind this host. */
static void prefer_next_host(struct pg *pg)
{
    if (!pg->follows)
        pg->first_host = (pg->host + 1) % pg->url->n_hosts;
}

static void on_query_overdue(struct timer *timer)
{
    struct pg *pg = H2O_STRUCT_FROM_MEMBER(struct pg, deadline, timer);

    prefer_next_host(pg);
    lose(pg, PQstatus(pg->conn) == CONNECTION_OK ? "a query was not answered in time"
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

/* The server is ready for the next query: this one is over. */
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

/* Hands on the notifications that have come. Those that come within a query are dropped. */
static void take_notifications(struct pg *pg)
{
    PGnotify *notification;

    while ((notification = PQnotifies(pg->conn)) != NULL) {
        if (pg->callback == NULL && pg->owner.on_notified != NULL)
            pg->owner.on_notified(pg->owner.data, notification->relname);
        PQfreemem(notification);
    }
}

static void on_readable(h2o_socket_t *socket, const char *error)
{
    struct pg *pg = socket->data;

    (void)error;
    if (!PQconsumeInput(pg->conn) || flush(pg) != 0) {
        lose(pg, PQerrorMessage(pg->conn));
        return;
    }
    take_notifications(pg);
    while (!PQisBusy(pg->conn)) {
        PGresult *result = PQgetResult(pg->conn);
        if (PQstatus(pg->conn) == CONNECTION_BAD) {
            PQclear(result);
            lose(pg, PQerrorMessage(pg->conn));
            return;
        }
        if (result == NULL) {
            if (pg->callback != NULL && pg->result != NULL)
                finish_query(pg);
            else if (pg->callback != NULL)
                lose(pg, "a query was answered with nothing");
            return;
        }
        if (pg->result != NULL && is_error(pg->result)) {
            PQclear(result); /* the first error is the one that counts */
        } else {
            PQclear(pg->result);
            pg->result = result;
        }
    }
}

/* --- losing it --- */

void pg_reset(struct pg *pg, const char *reason)
{
    lose(pg, reason);
}

void pg_leave_host(struct pg *pg, const char *reason)
{
    prefer_next_host(pg);
    lose(pg, reason);
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
    lose(pg, "the journal is on another host");
}

static void lose(struct pg *pg, const char *reason)
{
    static const struct pg_answer LOST = {.outcome = PG_LOST, .sqlstate = "", .message = ""};
    pg_callback callback = pg->callback;
    struct counter_metrics *metrics = counter_metrics_of(pg->worker);
    bool was_connected = pg->connected, was_set_up = pg->is_set_up;

    metric_add(was_connected ? &metrics->losses : &metrics->connect_failures, 1);
    if (reason != pg->reason)
        snprintf(pg->reason, sizeof(pg->reason), "%.*s", (int)strcspn(reason, "\n"), reason);
    disconnect(pg);
    pg->pause_ms = was_set_up || pg->pause_ms == 0 ? MIN_PAUSE_MS : pg->pause_ms * 2;
    if (pg->pause_ms > MAX_PAUSE_MS)
        pg->pause_ms = MAX_PAUSE_MS;
    timer_stop(&pg->pause);
    timer_start_after(&pg->worker->timers, &pg->pause, pg->pause_ms / 2 + jitter(pg->pause_ms / 2),
                      on_pause_over);
    pg->callback = NULL;
    if (callback != NULL)
        callback(pg->data, &LOST);
    pg->owner.on_lost(pg->owner.data, pg->reason);
}
