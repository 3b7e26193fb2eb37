#include "server/http/connection.h"

#include "proto/api.h"
#include "server/loop/worker.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* If a client reads nothing, the kernel drops its connection this much later than a handler would,
 * in milliseconds. The handler logs it. */
#define KERNEL_MARGIN_MS 2000

/* A response that is cut at the end of the turn; in the request's pool. */
struct cut {
    struct deferred deferred;
    h2o_req_t *req;
};

/* A response whose connection is reset unless it completes; in the request's pool. */
struct incomplete {
    h2o_req_t *req;
};

static int check_connection(h2o_req_t *req, void *now_ms);
static void check_idle(struct connection *connection, h2o_socket_t *socket, uint64_t for_ms);
static void check_head(struct connection *connection, h2o_socket_t *socket, uint64_t for_ms);
static void check_body(struct connection *connection, h2o_socket_t *socket, uint64_t for_ms);
static void refuse(h2o_socket_t *socket, int status, const char *detail);
static void cut_unless_taken(struct deferred *deferred);
static void on_cut_disposed(void *data);
static void on_incomplete_disposed(void *data);

void connection_begin(struct worker *worker, h2o_socket_t *socket, void (*on_close)(void *))
{
    struct connection *connection = h2o_mem_alloc(sizeof(*connection));
    unsigned timeout_ms = (unsigned)worker->settings->idle_ms + KERNEL_MARGIN_MS;

    setsockopt(h2o_socket_get_fd(socket), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
               sizeof(timeout_ms));
    *connection = (struct connection){.worker = worker, .since_ms = monotonic_ms()};
    socket->on_close.cb = on_close;
    socket->on_close.data = connection;
}

struct head_limits connection_head_limits(const struct service_config *settings)
{
    return (struct head_limits){.target_bytes = (size_t)settings->max_target_bytes,
                                .head_bytes = (size_t)settings->max_head_bytes};
}

void connections_check(struct worker *worker)
{
    uint64_t now_ms = monotonic_ms();

    /* libh2o visits one request of each connection, even if none has begun. No request is freed
     * meanwhile. */
    worker->context.globalconf->http1.callbacks.foreach_request(&worker->context, check_connection,
                                                                &now_ms);
}

h2o_socket_t *connection_socket(const h2o_req_t *req)
{
    return req->conn->callbacks->get_socket(req->conn);
}

static struct connection *connection_of(h2o_socket_t *socket)
{
    return socket->on_close.data;
}

struct connection_finding *connection_finding(h2o_req_t *req)
{
    return &connection_of(connection_socket(req))->finding;
}

/* The next request, or the end of the connection, arrived while a request is handled. It waits in
 * the kernel. */
static void on_readable(h2o_socket_t *socket, const char *error)
{
    (void)error;
    h2o_socket_read_stop(socket);
}

void connection_request_begin(h2o_req_t *req)
{
    h2o_socket_t *socket = connection_socket(req);

    connection_of(socket)->is_handled = true;
    h2o_socket_dont_read(socket, 1);
    h2o_socket_read_start(socket, on_readable);
}

/* libh2o continues to read in the same turn, or closes the socket, so epoll needs no system
 * call. */
void connection_request_end(h2o_req_t *req)
{
    h2o_socket_t *socket = connection_socket(req);
    struct connection *connection = connection_of(socket);

    ++connection->requests;
    connection->is_handled = false;
    h2o_socket_dont_read(socket, 0);
    h2o_socket_read_stop(socket);
}

/* Returns the phase of the request on a connection. */
static enum connection_phase phase_of(const h2o_req_t *req, h2o_socket_t *socket)
{
    if (req->timestamps.request_begin_at.tv_sec == 0)
        return CONNECTION_IDLE;
    if (connection_of(socket)->is_handled || !h2o_socket_is_reading(socket))
        return CONNECTION_ANSWER;
    return req->timestamps.request_body_begin_at.tv_sec != 0 ? CONNECTION_BODY : CONNECTION_HEAD;
}

/* Ends a connection that exceeds the limit of its phase. */
static int check_connection(h2o_req_t *req, void *data)
{
    const uint64_t *now_ms = data;
    h2o_socket_t *socket = connection_socket(req);
    struct connection *connection = connection_of(socket);
    enum connection_phase phase = phase_of(req, socket);
    uint64_t for_ms;

    if (phase != connection->phase || connection->requests != connection->requests_seen) {
        connection->phase = phase;
        connection->requests_seen = connection->requests;
        connection->since_ms = *now_ms;
    }
    for_ms = *now_ms - connection->since_ms;
    if (phase == CONNECTION_IDLE)
        check_idle(connection, socket, for_ms);
    else if (phase == CONNECTION_HEAD)
        check_head(connection, socket, for_ms);
    else if (phase == CONNECTION_BODY)
        check_body(connection, socket, for_ms);
    else if (phase == CONNECTION_ANSWER && req->res.status != 0 &&
             req->res.content_length != SIZE_MAX &&
             for_ms > (uint64_t)connection->worker->settings->answer_ms)
        connection_cut(req);
    return 0;
}

/* Ends reading. libh2o, which is reading, then finds the end of the connection and closes it. */
static void check_idle(struct connection *connection, h2o_socket_t *socket, uint64_t for_ms)
{
    if (for_ms > (uint64_t)connection->worker->settings->idle_ms)
        shutdown(h2o_socket_get_fd(socket), SHUT_RD);
}

static void check_head(struct connection *connection, h2o_socket_t *socket, uint64_t for_ms)
{
    const struct service_config *settings = connection->worker->settings;
    const h2o_buffer_t *input = socket->input;

    if (input->size > (size_t)settings->max_head_bytes)
        refuse(socket, memchr(input->bytes, '\n', input->size) == NULL ? 414 : 431,
               "The request head is too long.");
    else if (for_ms > (uint64_t)settings->head_ms)
        refuse(socket, 408, "The request head did not arrive in time.");
}

static void check_body(struct connection *connection, h2o_socket_t *socket, uint64_t for_ms)
{
    const struct service_config *settings = connection->worker->settings;
    struct head_limits limits = connection_head_limits(settings);
    const struct head_fault *fault =
        validate_head(socket->input->bytes, socket->input->size, &limits);

    if (fault != NULL)
        refuse(socket, fault->status, fault->detail);
    else if (for_ms > (uint64_t)settings->body_ms)
        refuse(socket, 408, "The request body did not arrive in time.");
}

/* Answers without libh2o, which is still reading and has written nothing for this request, and
 * shuts the connection down. libh2o then finds it closed. Does not wait if the kernel's buffer is
 * full. */
static void refuse(h2o_socket_t *socket, int status, const char *detail)
{
    struct buffer answer = {0}, body = {0};
    char head[192];
    int fd = h2o_socket_get_fd(socket);

    problem_encode(&body, status, detail, NULL);
    snprintf(head, sizeof(head),
             "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
             "Cache-Control: no-store\r\nContent-Length: %zu\r\n\r\n",
             status, status_title(status), body.len);
    buffer_add_string(&answer, head);
    buffer_add(&answer, body.bytes, body.len);
    (void)!send(fd, answer.bytes, answer.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(fd, SHUT_RDWR);
    buffer_free(&answer);
    buffer_free(&body);
}

/* --- responses that are cut short --- */

/* Resets a connection at once, while libh2o keeps its descriptor. Connecting a TCP socket to
 * AF_UNSPEC ends its connection as close() with SO_LINGER 0 would (connect(2)). libh2o finds it
 * closed at its next write, or now if it waits for one. */
static void reset(h2o_socket_t *socket)
{
    static const struct sockaddr NOWHERE = {.sa_family = AF_UNSPEC};
    int fd = h2o_socket_get_fd(socket);

    if (connect(fd, &NOWHERE, sizeof(NOWHERE)) != 0)
        shutdown(fd, SHUT_RDWR);
}

void connection_cut(h2o_req_t *req)
{
    struct cut *cut = h2o_mem_alloc_shared(&req->pool, sizeof(*cut), on_cut_disposed);

    *cut = (struct cut){.req = req};
    worker_defer(worker_of(req), &cut->deferred, cut_unless_taken);
}

/* By now libh2o has noted all bytes that the client took in this turn. If the client took
 * everything, the request was freed, and on_cut_disposed has cancelled this call. */
static void cut_unless_taken(struct deferred *deferred)
{
    struct cut *cut = H2O_STRUCT_FROM_MEMBER(struct cut, deferred, deferred);
    h2o_socket_t *socket = connection_socket(cut->req);

    if (!h2o_socket_is_writing(socket))
        return;
    cut->req->http1_is_persistent = 0; /* no further request is parsed from the bytes read */
    reset(socket);
}

static void on_cut_disposed(void *data)
{
    deferred_cancel(&((struct cut *)data)->deferred);
}

void connection_abort(h2o_req_t *req)
{
    reset(connection_socket(req));
    h2o_send(req, NULL, 0, H2O_SEND_STATE_ERROR);
}

static int abort_if_answering(h2o_req_t *req, void *data)
{
    h2o_socket_t *socket = connection_socket(req);

    (void)data;
    if (phase_of(req, socket) == CONNECTION_ANSWER)
        reset(socket);
    return 0;
}

void connections_abort(struct worker *worker)
{
    worker->context.globalconf->http1.callbacks.foreach_request(&worker->context,
                                                                abort_if_answering, NULL);
}

/* Makes close() reset the connection, or end it in an orderly way. */
static void reset_at_close(h2o_socket_t *socket, bool on)
{
    struct linger linger = {.l_onoff = on, .l_linger = 0};

    setsockopt(h2o_socket_get_fd(socket), SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void connection_reset_unless_complete(h2o_req_t *req)
{
    struct incomplete *incomplete =
        h2o_mem_alloc_shared(&req->pool, sizeof(*incomplete), on_incomplete_disposed);

    *incomplete = (struct incomplete){.req = req};
    reset_at_close(connection_socket(req), true);
}

/* Runs before libh2o closes the connection or parses its next request. */
static void on_incomplete_disposed(void *data)
{
    const h2o_req_t *req = ((struct incomplete *)data)->req;

    if (req->timestamps.response_end_at.tv_sec != 0)
        reset_at_close(connection_socket(req), false);
}
