/* The attempts to connect: to each host of the URL, each of its addresses, with each password,
 * until a server that accepts writes has accepted the connection. There is a pause between two
 * rounds of attempts. */
#include "counter-svc/ledger/pg_private.h"

#include "server/ops/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_KEYWORDS 64

static void try_host(struct pg *pg);
static void on_host_resolved(void *data, const struct addresses *found, const char *error);
static void try_address(struct pg *pg);
static bool watch_connecting(struct pg *pg, PostgresPollingStatusType wanted);
static void on_connect_progress(h2o_socket_t *socket, const char *error);
static void on_attempt_deadline(struct timer *timer);
static bool try_other_password(struct pg *pg);
static void attempt_failed(struct pg *pg, const char *reason);

void pg_connect(struct pg *pg)
{
    INVARIANT(pg->conn == NULL && pg->callback == NULL);
    pg->host = pg->first_host;
    pg->hosts_tried = 0;
    try_host(pg);
}

static void try_host(struct pg *pg)
{
    const struct postgres_host *host = &pg->url->hosts[pg->host];

    pg->address = 0;
    if (host->name[0] == '/') {
        pg->addresses.count = 1; /* a Unix socket: nothing to look up */
        try_address(pg);
        return;
    }
    resolver_start(&pg->resolver, pg->worker, host->name, pg->connect_timeout_ms, on_host_resolved,
                   pg);
}

static void on_host_resolved(void *data, const struct addresses *found, const char *error)
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

/* Starts an attempt with the URL's parameters and those that each attempt sets. */
static PGconn *start_connecting(const struct pg *pg)
{
    const struct postgres_host *host = &pg->url->hosts[pg->host];
    const char *keywords[MAX_KEYWORDS + 1], *values[MAX_KEYWORDS + 1];
    size_t n = 0;
    const struct {
        const char *keyword, *value;
    } fixed[] = {
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

    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); ++i) {
        if (fixed[i].value == NULL)
            continue;
        keywords[n] = fixed[i].keyword;
        values[n++] = fixed[i].value;
    }
    for (size_t i = 0; pg->url->keywords[i] != NULL && n < MAX_KEYWORDS - 1; ++i) {
        keywords[n] = pg->url->keywords[i];
        values[n++] = pg->url->values[i];
    }
    if (pg->with_previous) { /* libpq uses the last value of a keyword */
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
                      on_attempt_deadline);
    watch_connecting(pg, PGRES_POLLING_WRITING);
}

/* Watches a duplicate of libpq's present descriptor. Between two steps libpq may close its
 * descriptor, and open another one with the same number. */
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
        h2o_socket_notify_write(pg->socket, on_connect_progress);
    else
        h2o_socket_read_start(pg->socket,
                              wanted == PGRES_POLLING_OK ? pg_on_readable : on_connect_progress);
    return true;
}

/* Returns libpq's message, or a longer one if the server accepts no writes. */
static const char *why_not_connected(const PGconn *conn)
{
    const char *message = PQerrorMessage(conn);

    return strstr(message, "session is read-only") != NULL ? REASON_READ_ONLY : message;
}

static void on_connect_progress(h2o_socket_t *socket, const char *error)
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
    pg->both_tried = false;
    if (pg->with_previous)
        log_event(LOG_LEVEL_INFO, "previous-password-used", "");
    pg_attach(pg);
}

/* Tries the same address with the other password, if there is one that was not tried, and the
 * server requires a password. Returns whether it does. */
static bool try_other_password(struct pg *pg)
{
    if (pg->url->previous_password == NULL || pg->both_tried || !PQconnectionUsedPassword(pg->conn))
        return false;
    pg->both_tried = true;
    pg->with_previous = !pg->with_previous;
    pg_disconnect(pg);
    try_address(pg);
    return true;
}

static void on_attempt_deadline(struct timer *timer)
{
    attempt_failed(H2O_STRUCT_FROM_MEMBER(struct pg, deadline, timer), "no answer in time");
}

/* Tries the next address or the next host. After the last one the round has failed. */
static void attempt_failed(struct pg *pg, const char *reason)
{
    snprintf(pg->reason, sizeof(pg->reason), "%.100s port %s: %.*s", pg->url->hosts[pg->host].name,
             pg->url->hosts[pg->host].port, (int)strcspn(reason, "\n"), reason);
    pg_disconnect(pg);
    pg->both_tried = false;
    if (++pg->address < pg->addresses.count) {
        try_address(pg);
    } else if (!pg->follows && ++pg->hosts_tried < pg->url->n_hosts) {
        pg->host = (pg->host + 1) % pg->url->n_hosts;
        try_host(pg);
    } else {
        pg_lose(pg, pg->reason);
    }
}
