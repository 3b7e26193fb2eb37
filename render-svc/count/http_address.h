/* The address of a replica: a numeric host and a port. Any thread. */
#ifndef RENDER_COUNT_HTTP_ADDRESS_H
#define RENDER_COUNT_HTTP_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

struct http_address {
    struct sockaddr_storage storage;
    socklen_t len;
    char host[64]; /* HOST:PORT, for the Host header and logs */
};

/* Sets the address from `host`, a numeric IPv4 or IPv6 address, and `port`. */
void http_address_set(struct http_address *address, const char *host, uint16_t port);

static inline bool http_address_equals(const struct http_address *a, const struct http_address *b)
{
    return strcmp(a->host, b->host) == 0;
}

#endif
