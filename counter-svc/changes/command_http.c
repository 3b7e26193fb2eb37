#include "counter-svc/changes/command_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Returns the size of the address, or 0. */
static socklen_t resolve(const struct config_address *from, union address *to)
{
    *to = (union address){0};
    if (inet_pton(AF_INET, from->host, &to->v4.sin_addr) == 1) {
        to->v4.sin_family = AF_INET;
        to->v4.sin_port = htons(from->port);
        if (to->v4.sin_addr.s_addr == htonl(INADDR_ANY))
            to->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof(to->v4);
    }
    if (inet_pton(AF_INET6, from->host, &to->v6.sin6_addr) == 1) {
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_port = htons(from->port);
        if (IN6_IS_ADDR_UNSPECIFIED(&to->v6.sin6_addr))
            to->v6.sin6_addr = in6addr_loopback;
        return sizeof(to->v6);
    }
    return 0;
}

/* Returns a connection, or -1. */
static int connect_to(const struct command_http_call *call)
{
    struct timeval timeout = {.tv_sec = call->timeout_s};
    union address address;
    socklen_t size = resolve(call->address, &address);
    int fd = size != 0 ? socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
        connect(fd, &address.any, size) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const struct buffer *bytes)
{
    for (size_t sent = 0; sent < bytes->len;) {
        ssize_t now = send(fd, bytes->bytes + sent, bytes->len - sent, MSG_NOSIGNAL);

        if (now < 0 && errno != EINTR)
            return false;
        sent += now > 0 ? (size_t)now : 0;
    }
    return true;
}

/* Reads until the server closes the connection. */
static bool receive_all(int fd, struct buffer *bytes)
{
    char piece[16384];

    for (;;) {
        ssize_t now = recv(fd, piece, sizeof(piece), 0);

        if (now == 0)
            return true;
        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0 || bytes->len + (size_t)now > COMMAND_HTTP_MAX_BYTES)
            return false;
        buffer_add(bytes, piece, (size_t)now);
    }
}

static void add_request(struct buffer *to, const struct command_http_call *call)
{
    buffer_add_string(to, call->method);
    buffer_add_literal(to, " ");
    buffer_add_string(to, call->target);
    buffer_add_literal(to, " HTTP/1.1\r\nHost: counter-svc\r\nConnection: close\r\n"
                           "Content-Type: application/json\r\nAuthorization: Bearer ");
    buffer_add_string(to, call->token);
    buffer_add_literal(to, "\r\nContent-Length: ");
    buffer_add_int(to, call->body != NULL ? (int64_t)call->body->len : 0);
    buffer_add_literal(to, "\r\n\r\n");
    if (call->body != NULL)
        buffer_add(to, call->body->bytes, call->body->len);
}

/* Returns the status of a complete answer (RFC 9112) and appends its body. Returns -1 if the answer
 * is not complete. */
static int read_answer(const struct buffer *from, struct buffer *body)
{
    const char *end, *length;
    char head[4096];
    size_t head_len, body_len;
    int status;

    end = from->len != 0 ? memmem(from->bytes, from->len, "\r\n\r\n", 4) : NULL;
    head_len = end != NULL ? (size_t)(end - from->bytes) : 0;
    if (end == NULL || head_len >= sizeof(head))
        return -1;
    memcpy(head, from->bytes, head_len);
    head[head_len] = '\0';
    length = strcasestr(head, "\r\ncontent-length:");
    if (sscanf(head, "HTTP/1.%*1[01] %3d", &status) != 1 || length == NULL)
        return -1;
    body_len = from->len - head_len - 4;
    if (strtoull(strchr(length, ':') + 1, NULL, 10) != body_len)
        return -1;
    buffer_add(body, end + 4, body_len);
    return status;
}

int command_http_call(const struct command_http_call *call, struct buffer *answer,
                      const char **error)
{
    struct buffer request = {0}, received = {0};
    int fd = connect_to(call), status = -1;

    if (fd < 0) {
        *error = "counter-svc cannot be reached.";
        return -1;
    }
    add_request(&request, call);
    *error = "The connection to counter-svc was lost.";
    if (send_all(fd, &request) && receive_all(fd, &received)) {
        *error = "The answer is not from counter-svc.";
        status = read_answer(&received, answer);
    }
    close(fd);
    explicit_bzero(request.bytes, request.len);
    buffer_free(&request);
    buffer_free(&received);
    return status;
}
