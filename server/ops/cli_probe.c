/* cli_probe: an HTTP client for one request, with one deadline for all steps. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/ops/cli.h"
#include "server/ops/log.h"

struct probe {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to;
    socklen_t to_size;
    char authority[64]; /* HOST:PORT of the request */
    int timeout_ms;
    int64_t deadline_ms; /* on CLOCK_MONOTONIC */
    int fd;
};

/* The steps, in order. Each logs the error if it returns -1. */
static int resolve(struct probe *p, const struct config_address *address);
static int connect_to(struct probe *p);
static int send_request(struct probe *p);
static int read_status(struct probe *p);
static int parse_status(const char *answer);
static int wait_for(struct probe *p, short events, const char *doing);
static int64_t now_ms(void);
static int fail(const struct probe *p, const char *doing);
static int fail_as(const struct probe *p, const char *reason);

int cli_probe(const struct config_address *address, int timeout_ms)
{
    struct probe p = {.timeout_ms = timeout_ms, .fd = -1};
    int status = -1;

    p.deadline_ms = now_ms() + timeout_ms;
    if (resolve(&p, address) == 0 && connect_to(&p) == 0 && send_request(&p) == 0)
        status = read_status(&p);
    if (p.fd >= 0)
        close(p.fd);
    if (status >= 0 && status != 200)
        log_event(LOG_LEVEL_ERROR, "probe-failed", "address=%s status=%d", p.authority, status);
    return status == 200 ? 0 : 1;
}

static int resolve(struct probe *p, const struct config_address *address)
{
    bool is_ipv6 = strchr(address->host, ':') != NULL;
    char host[INET6_ADDRSTRLEN] = "";

    log_quote(address->host, p->authority, sizeof(p->authority)); /* the default */
    if (is_ipv6) {
        p->to.v6.sin6_family = AF_INET6;
        p->to.v6.sin6_port = htons(address->port);
        p->to_size = sizeof(p->to.v6);
        if (inet_pton(AF_INET6, address->host, &p->to.v6.sin6_addr) != 1)
            return fail_as(p, "not an address");
        if (IN6_IS_ADDR_UNSPECIFIED(&p->to.v6.sin6_addr))
            p->to.v6.sin6_addr = in6addr_loopback;
        inet_ntop(AF_INET6, &p->to.v6.sin6_addr, host, sizeof(host));
    } else {
        p->to.v4.sin_family = AF_INET;
        p->to.v4.sin_port = htons(address->port);
        p->to_size = sizeof(p->to.v4);
        if (inet_pton(AF_INET, address->host, &p->to.v4.sin_addr) != 1)
            return fail_as(p, "not an address");
        if (p->to.v4.sin_addr.s_addr == htonl(INADDR_ANY))
            p->to.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        inet_ntop(AF_INET, &p->to.v4.sin_addr, host, sizeof(host));
    }
    snprintf(p->authority, sizeof(p->authority), is_ipv6 ? "[%s]:%u" : "%s:%u", host,
             address->port);
    if (address->port == 0)
        return fail_as(p, "port 0 is picked by the kernel, it cannot be known here");
    return 0;
}

static int connect_to(struct probe *p)
{
    int failure = 0;
    socklen_t size = sizeof(failure);

    p->fd = socket(p->to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0)
        return fail(p, "socket");
    if (connect(p->fd, &p->to.any, p->to_size) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return fail(p, "connect");
    if (wait_for(p, POLLOUT, "connect") != 0)
        return -1;
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0)
        return fail(p, "connect");
    errno = failure;
    return failure == 0 ? 0 : fail(p, "connect");
}

static int send_request(struct probe *p)
{
    char request[160];
    size_t sent = 0, size;

    size = (size_t)snprintf(request, sizeof(request),
                            "GET /live HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                            p->authority);
    while (sent < size) {
        ssize_t now = send(p->fd, request + sent, size - sent, MSG_NOSIGNAL);

        if (now >= 0)
            sent += (size_t)now;
        else if (errno != EAGAIN)
            return fail(p, "send");
        else if (wait_for(p, POLLOUT, "send") != 0)
            return -1;
    }
    return 0;
}

/* Reads the answer up to its status. */
static int read_status(struct probe *p)
{
    char answer[1024];
    size_t length = 0;

    for (;;) {
        ssize_t got = recv(p->fd, answer + length, sizeof(answer) - 1 - length, 0);

        if (got == 0)
            return fail_as(p, "closed without an answer");
        if (got < 0) {
            if (errno != EAGAIN)
                return fail(p, "receive");
            if (wait_for(p, POLLIN, "receive") != 0)
                return -1;
            continue;
        }
        length += (size_t)got;
        answer[length] = '\0';
        if (strchr(answer, '\n') != NULL || length == sizeof(answer) - 1) {
            int status = parse_status(answer);

            return status >= 0 ? status : fail_as(p, "not an HTTP answer");
        }
    }
}

/* Returns the status of the status-line (RFC 9112, 4), or -1. */
static int parse_status(const char *answer)
{
    static const char version[] = "HTTP/1.";
    const char *status = answer + strlen(version) + 2;

    if (strncmp(answer, version, strlen(version)) != 0 || status[-2] < '0' || status[-2] > '9' ||
        status[-1] != ' ')
        return -1;
    if (strspn(status, "0123456789") != 3 || strchr(" \r\n", status[3]) == NULL)
        return -1;
    return (status[0] - '0') * 100 + (status[1] - '0') * 10 + status[2] - '0';
}

/* Waits until the socket is ready or broken, or the deadline has passed. */
static int wait_for(struct probe *p, short events, const char *doing)
{
    for (;;) {
        struct pollfd poll_fd = {.fd = p->fd, .events = events};
        int64_t left_ms = p->deadline_ms - now_ms();
        int ready = left_ms > 0 ? poll(&poll_fd, 1, (int)left_ms) : 0;

        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return fail(p, doing);
        if (left_ms <= 0) {
            errno = ETIMEDOUT;
            return fail(p, doing);
        }
    }
}

static int64_t now_ms(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(const struct probe *p, const char *doing)
{
    log_event(LOG_LEVEL_ERROR, "probe-failed", "address=%s during=%s timeout_ms=%d error=%s",
              p->authority, doing, p->timeout_ms, LOG_QUOTED(strerror(errno)));
    return -1;
}

static int fail_as(const struct probe *p, const char *reason)
{
    log_event(LOG_LEVEL_ERROR, "probe-failed", "address=%s error=%s", p->authority,
              LOG_QUOTED(reason));
    return -1;
}
