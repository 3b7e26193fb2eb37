#include "service/connection.h"

#include "proto/api.h"
#include "service/answer.h"
#include "service/worker.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int look_at(h2o_req_t *req, void *now_ms);
static void look_at_head(struct connection *connection, h2o_socket_t *socket, uint64_t for_ms);
static void look_at_body(struct connection *connection, h2o_socket_t *socket, uint64_t for_ms);
static void refuse(h2o_socket_t *socket, int status, const char *detail);

void connection_begin(struct worker *worker, h2o_socket_t *socket, void (*on_close)(void *))
{
    struct connection *connection = h2o_mem_alloc(sizeof(*connection));
    unsigned timeout_ms = (unsigned)worker->settings->idle_ms;

    setsockopt(h2o_socket_get_fd(socket), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
               sizeof(timeout_ms));
    *connection = (struct connection){.worker = worker};
    socket->on_close.cb = on_close;
    socket->on_close.data = connection;
}

struct strict_limits connection_head_limits(const struct service_config *settings)
{
    return (struct strict_limits){.target_bytes = (size_t)settings->max_target_bytes,
                                  .head_bytes = (size_t)settings->max_head_bytes};
}

void connections_look_over(struct worker *worker)
{
    uint64_t now_ms = monotonic_ms();

    /* one of every connection, also where no request has begun; none of them is freed meanwhile */
    worker->_globalconf.http1.callbacks.foreach_request(&worker->context, look_at, &now_ms);
}

static enum connection_phase phase_of(const h2o_req_t *req, h2o_socket_t *socket)
{
    if (req->timestamps.request_begin_at.tv_sec == 0)
        return CONNECTION_IDLE;
    if (!h2o_socket_is_reading(socket))
        return CONNECTION_ANSWER;
    return req->timestamps.request_body_begin_at.tv_sec != 0 ? CONNECTION_BODY : CONNECTION_HEAD;
}

static int look_at(h2o_req_t *req, void *data)
{
    const uint64_t *now_ms = data;
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
    struct connection *connection = socket->on_close.data;
    enum connection_phase phase = phase_of(req, socket);
    const struct timeval *begun = &req->timestamps.request_begin_at;
    uint64_t for_ms;

    if (phase != connection->phase || begun->tv_sec != connection->request_begun.tv_sec ||
        begun->tv_usec != connection->request_begun.tv_usec) {
        connection->phase = phase;
        connection->request_begun = *begun;
        connection->since_ms = *now_ms;
    }
    for_ms = *now_ms - connection->since_ms;
    if (phase == CONNECTION_HEAD)
        look_at_head(connection, socket, for_ms);
    else if (phase == CONNECTION_BODY)
        look_at_body(connection, socket, for_ms);
    else if (phase == CONNECTION_ANSWER && req->res.status != 0 &&
             req->res.content_length != SIZE_MAX &&
             for_ms > (uint64_t)connection->worker->settings->answer_ms)
        connection_cut(req);
    return 0;
}

void connection_cut(h2o_req_t *req)
{
    shutdown(h2o_socket_get_fd(req->conn->callbacks->get_socket(req->conn)), SHUT_RDWR);
}

static void look_at_head(struct connection *connection, h2o_socket_t *socket, uint64_t for_ms)
{
    const struct service_config *settings = connection->worker->settings;
    const h2o_buffer_t *input = socket->input;

    if (input->size > (size_t)settings->max_head_bytes)
        refuse(socket, memchr(input->bytes, '\n', input->size) == NULL ? 414 : 431,
               "The head of the request is too long.");
    else if (for_ms > (uint64_t)settings->head_ms)
        refuse(socket, 408, "The head of the request did not come in time.");
}

static void look_at_body(struct connection *connection, h2o_socket_t *socket, uint64_t for_ms)
{
    const struct service_config *settings = connection->worker->settings;
    struct strict_limits limits = connection_head_limits(settings);
    const struct strict_fault *fault =
        strict_check(socket->input->bytes, socket->input->size, &limits);

    if (fault != NULL)
        refuse(socket, fault->status, fault->detail);
    else if (for_ms > (uint64_t)settings->body_ms)
        refuse(socket, 408, "The body of the request did not come in time.");
}

/* Answers beside libh2o, which is still reading and has written nothing for this request, and ends the
 * connection: libh2o finds it closed. An answer that does not fit the kernel's buffer is not worth
 * waiting for. */
static void refuse(h2o_socket_t *socket, int status, const char *detail)
{
    struct buffer answer = {0}, body = {0};
    char head[192];
    int fd = h2o_socket_get_fd(socket);

    problem_encode(&body, status, status_title(status), detail, NULL);
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
