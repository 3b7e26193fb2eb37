#include "server/http/http_server.h"

#include "base/invariant.h"
#include "server/http/answer.h"
#include "server/http/connection.h"
#include "server/http/request.h"
#include "server/http/validate.h"
#include "server/ops/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Maximum of connections that a turn of the loop accepts. It is small, so that workers share a
 * burst. */
#define ACCEPTS_PER_TURN 16

/* Pause of a listener after the process has run out of descriptors, in milliseconds. */
#define ACCEPT_PAUSE_MS 100

/* How long idle connections stay open after the listener is closed, so that their clients can send
 * a last request, and the interval at which idle connections are closed from then on. In
 * milliseconds. */
#define IDLE_GRACE_MS 500
#define CLOSE_IDLE_MS 50

/* Interval at which the limits of connections are checked while there are any, in milliseconds. */
#define CHECK_MS 200

static void configure_libh2o(struct http_server *server, size_t max_body_bytes,
                             int (*handle)(h2o_handler_t *, h2o_req_t *));
static void start_listening(struct http_server *server, int listener);
static int on_request(h2o_handler_t *self, h2o_req_t *req);
static void on_request_end(h2o_logger_t *self, h2o_req_t *req);
static void on_acceptable(h2o_socket_t *listener, const char *error);
static void on_connection_close(void *data);
static void on_accept_pause_over(struct timer *timer);
static void on_check_due(struct timer *timer);
static void on_wanted_state(h2o_socket_t *wake, const char *error);
static void close_listener(struct http_server *server);
static void close_idle_connections(struct timer *timer);

int http_server_listen(const struct config_address *address, char *error, size_t error_size)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *ip4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&storage;
    socklen_t len;
    int fd, on = 1;

    if (inet_pton(AF_INET, address->host, &ip4->sin_addr) == 1) {
        ip4->sin_family = AF_INET;
        ip4->sin_port = htons(address->port);
        len = sizeof(*ip4);
    } else {
        inet_pton(AF_INET6, address->host, &ip6->sin6_addr);
        ip6->sin6_family = AF_INET6;
        ip6->sin6_port = htons(address->port);
        len = sizeof(*ip6);
    }
    fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&storage, len) != 0 || listen(fd, SOMAXCONN) != 0) {
        snprintf(error, error_size, "cannot listen on %s port %u: %s", address->host, address->port,
                 strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* Returns the server of a worker. */
static struct http_server *server_of(struct worker *worker)
{
    return H2O_STRUCT_FROM_MEMBER(struct http_server, worker, worker);
}

int http_server_init(struct http_server *server, const struct service_config *settings,
                     int listener, size_t max_body_bytes,
                     int (*handle)(h2o_handler_t *, h2o_req_t *))
{
    struct worker *worker = &server->worker;
    int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), own_listener;

    if (wake < 0)
        return -1;
    own_listener = fcntl(listener, F_DUPFD_CLOEXEC, 0);
    server->_wake_fd = fcntl(wake, F_DUPFD_CLOEXEC, 0);
    if (own_listener < 0 || server->_wake_fd < 0 || worker_init(worker, settings) != 0) {
        close(wake);
        return -1;
    }
    configure_libh2o(server, max_body_bytes, handle);
    output_budget_init(&server->_budget, (size_t)(settings->max_unsent_bytes / settings->workers),
                       &worker->metrics->unsent_bytes);
    worker->budget = &server->_budget;
    server->_wake = h2o_evloop_socket_create(worker->loop, wake, H2O_SOCKET_FLAG_DONT_READ);
    server->_wake->data = server;
    h2o_socket_read_start(server->_wake, on_wanted_state);
    start_listening(server, own_listener);
    return 0;
}

/* Disables a timeout of libh2o by removing it from the loop. Timers that libh2o links to it never
 * expire. connection.h limits connections instead, with a clock that does not jump. */
static void disable_timeout(h2o_timeout_t *timeout)
{
    h2o_linklist_unlink(&timeout->_link);
    h2o_linklist_init_anchor(&timeout->_link); /* libh2o unlinks it again at the end */
}

/* Configures libh2o: one host, with the same steps of a request for every target. */
static void configure_libh2o(struct http_server *server, size_t max_body_bytes,
                             int (*handle)(h2o_handler_t *, h2o_req_t *))
{
    h2o_globalconf_t *conf = &server->_globalconf;
    h2o_context_t *context = &server->worker.context;
    h2o_hostconf_t *host;

    h2o_config_init(conf);
    conf->server_name = h2o_iovec_init(H2O_STRLIT(""));
    conf->max_request_entity_size = max_body_bytes;
    conf->http1.upgrade_to_http2 = 0; /* this version lacks the fix for CVE-2023-44487 */
    conf->http2.callbacks.request_shutdown = NULL; /* it would leave a timeout linked at the end */
    host = h2o_config_register_host(conf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    /* Handlers without a path prefix also get targets that are not paths. */
    h2o_create_handler(&host->fallback_path, sizeof(h2o_handler_t))->on_req = on_request;
    h2o_create_handler(&host->fallback_path, sizeof(h2o_handler_t))->on_req = handle;
    h2o_create_logger(&host->fallback_path, sizeof(h2o_logger_t))->log_access = on_request_end;
    h2o_context_init(context, server->worker.loop, conf);
    disable_timeout(&context->http1.req_timeout);
    server->_accept = (h2o_accept_ctx_t){.ctx = context, .hosts = conf->hosts};
}

/* Starts to accept connections, up to the worker's share of max_connections. */
static void start_listening(struct http_server *server, int listener)
{
    const struct service_config *settings = server->worker.settings;
    int64_t share = settings->max_connections / settings->workers;
    int unread = (int)settings->max_unread_bytes;

    server->_max_connections = share > 0 ? (size_t)share : 1;
    /* Connections inherit the size. It bounds the bytes of one read, and of one turn of the
     * loop. */
    setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &unread, sizeof(unread));
    server->_listener =
        h2o_evloop_socket_create(server->worker.loop, listener, H2O_SOCKET_FLAG_DONT_READ);
    server->_listener->data = server;
    h2o_socket_read_start(server->_listener, on_acceptable);
}

void http_server_run(struct http_server *server)
{
    while (server->_state != HTTP_SERVER_STOPPED)
        worker_turn(&server->worker);
    if (server->_connections != 0)
        connections_abort(&server->worker);
}

/* --- requests --- */

/* The first handler of each request: refuses invalid heads. */
static int on_request(h2o_handler_t *self, h2o_req_t *req)
{
    const h2o_buffer_t *input = connection_socket(req)->input;
    struct head_limits limits = connection_head_limits(worker_of(req)->settings);
    const struct head_fault *fault;

    (void)self;
    connection_request_begin(req);
    fault = validate_head(input->bytes, input->size, &limits);
    if (fault == NULL)
        return -1; /* libh2o calls the next handler, which is the program's */
    req->http1_is_persistent = 0;
    answer_header(req, H2O_TOKEN_CACHE_CONTROL, "no-store");
    answer_problem(req, fault->status, fault->detail);
    return 0;
}

/* libh2o calls it at the end of each request: after the answer, or when the client has left. */
static void on_request_end(h2o_logger_t *self, h2o_req_t *req)
{
    (void)self;
    connection_request_end(req);
    request_end(req);
}

/* --- connections --- */

/* Hands a new connection to libh2o, and starts to check its limits. */
static void accept_connection(struct http_server *server, h2o_socket_t *socket)
{
    struct service_metrics *metrics = server->worker.metrics;

    connection_begin(&server->worker, socket, on_connection_close);
    ++server->_connections;
    metric_add(&metrics->connections, 1);
    metric_add(&metrics->connections_accepted, 1);
    if (!timer_is_waiting(&server->_check_connections))
        timer_start_after(&server->worker.timers, &server->_check_connections, CHECK_MS,
                          on_check_due);
    h2o_accept(&server->_accept, socket);
}

static void on_acceptable(h2o_socket_t *listener, const char *error)
{
    struct http_server *server = listener->data;
    h2o_socket_t *socket;

    (void)error;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; ++i) {
        if (server->_connections >= server->_max_connections) {
            h2o_socket_read_stop(listener); /* on_connection_close starts it again */
            return;
        }
        socket = h2o_evloop_socket_accept(listener);
        if (socket == NULL) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                log_event(LOG_LEVEL_WARNING, "accept-paused", "error=%s",
                          LOG_QUOTED(strerror(errno)));
                h2o_socket_read_stop(listener);
                timer_start_after(&server->worker.timers, &server->_accept_pause, ACCEPT_PAUSE_MS,
                                  on_accept_pause_over);
            }
            return;
        }
        accept_connection(server, socket);
    }
}

static void on_accept_pause_over(struct timer *timer)
{
    struct http_server *server = H2O_STRUCT_FROM_MEMBER(struct http_server, _accept_pause, timer);

    if (server->_listener != NULL)
        h2o_socket_read_start(server->_listener, on_acceptable);
}

static void on_connection_close(void *data)
{
    struct connection *connection = data;
    struct http_server *server = server_of(connection->worker);

    free(connection);
    INVARIANT(server->_connections > 0);
    --server->_connections;
    metric_subtract(&server->worker.metrics->connections, 1);
    if (server->_listener != NULL && !h2o_socket_is_reading(server->_listener) &&
        !timer_is_waiting(&server->_accept_pause))
        h2o_socket_read_start(server->_listener, on_acceptable);
}

static void on_check_due(struct timer *timer)
{
    struct http_server *server =
        H2O_STRUCT_FROM_MEMBER(struct http_server, _check_connections, timer);

    connections_check(&server->worker);
    output_budget_enforce(&server->_budget, monotonic_ms());
    if (server->_connections != 0)
        timer_start_after(&server->worker.timers, &server->_check_connections, CHECK_MS,
                          on_check_due);
}

/* --- stopping --- */

void http_server_want(struct http_server *server, enum http_server_state state)
{
    uint64_t one = 1;

    atomic_store(&server->_wanted_state, (int)state);
    if (write(server->_wake_fd, &one, sizeof(one)) != sizeof(one))
        return; /* the counter of the eventfd is full, so the loop wakes up anyway */
}

/* Moves to the state that http_server_want has set. */
static void on_wanted_state(h2o_socket_t *wake, const char *error)
{
    struct http_server *server = wake->data;
    enum http_server_state wanted;
    uint64_t times;

    (void)error;
    if (read(h2o_socket_get_fd(wake), &times, sizeof(times)) != sizeof(times))
        return;
    /* Load the state after the read: a state that is set later wakes the loop again. */
    wanted = (enum http_server_state)atomic_load(&server->_wanted_state);
    if (wanted > server->_state && server->_state == HTTP_SERVER_RUNNING)
        h2o_context_request_shutdown(&server->worker.context);
    if (wanted == HTTP_SERVER_DRAINING && server->_state < HTTP_SERVER_DRAINING)
        server->_state = HTTP_SERVER_DRAINING;
    if (wanted >= HTTP_SERVER_CLOSING && server->_state < HTTP_SERVER_CLOSING) {
        server->_state = HTTP_SERVER_CLOSING;
        server->_closing_since_ms = monotonic_ms();
        close_listener(server);
        close_idle_connections(&server->_close_idle);
    }
}

/* Accepts the connections that the kernel has already established, then closes the listener. */
static void close_listener(struct http_server *server)
{
    h2o_socket_t *socket;

    INVARIANT(server->_listener != NULL);
    timer_stop(&server->_accept_pause);
    while ((socket = h2o_evloop_socket_accept(server->_listener)) != NULL)
        accept_connection(server, socket);
    h2o_socket_close(server->_listener);
    server->_listener = NULL;
}

/* Ends reading on a connection without a request. libh2o then closes it. */
static int close_if_idle(h2o_req_t *req, void *data)
{
    (void)data;
    if (req->timestamps.request_begin_at.tv_sec == 0)
        shutdown(h2o_socket_get_fd(connection_socket(req)), SHUT_RD);
    return 0;
}

/* Closes idle connections. Stops the server if no connection is left, or after shutdown_ms. */
static void close_idle_connections(struct timer *timer)
{
    struct http_server *server = H2O_STRUCT_FROM_MEMBER(struct http_server, _close_idle, timer);
    uint64_t closing_ms = monotonic_ms() - server->_closing_since_ms;

    if (server->_connections == 0) {
        server->_state = HTTP_SERVER_STOPPED;
    } else if (closing_ms >= (uint64_t)server->worker.settings->shutdown_ms) {
        log_event(LOG_LEVEL_WARNING, "stop-forced", "connections=%zu", server->_connections);
        server->_state = HTTP_SERVER_STOPPED;
    } else {
        if (closing_ms >= IDLE_GRACE_MS)
            server->_globalconf.http1.callbacks.foreach_request(&server->worker.context,
                                                                close_if_idle, NULL);
        timer_start_after(&server->worker.timers, &server->_close_idle, CLOSE_IDLE_MS,
                          close_idle_connections);
    }
}

void http_server_fini(struct http_server *server)
{
    struct worker *worker = &server->worker;

    timer_stop(&server->_accept_pause);
    timer_stop(&server->_close_idle);
    timer_stop(&server->_check_connections);
    if (server->_listener != NULL)
        h2o_socket_close(server->_listener);
    h2o_socket_close(server->_wake);
    worker_fini(worker);
    if (server->_connections != 0 || worker->keep_context)
        return;                      /* the process is about to end, with its connections */
    h2o_evloop_run(worker->loop, 0); /* libh2o frees closed sockets */
    h2o_context_dispose(&worker->context);
    h2o_config_dispose(&server->_globalconf);
}

void http_server_joined(struct http_server *server)
{
    close(server->_wake_fd);
}
