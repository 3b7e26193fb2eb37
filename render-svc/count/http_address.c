#include "render-svc/count/http_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

void http_address_set(struct http_address *address, const char *host, uint16_t port)
{
    struct sockaddr_in *ip4 = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *ip6 = (struct sockaddr_in6 *)&address->storage;

    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, host, &ip4->sin_addr) == 1) {
        ip4->sin_family = AF_INET;
        ip4->sin_port = htons(port);
        address->len = sizeof(*ip4);
        snprintf(address->host, sizeof(address->host), "%s:%u", host, port);
    } else {
        inet_pton(AF_INET6, host, &ip6->sin6_addr);
        ip6->sin6_family = AF_INET6;
        ip6->sin6_port = htons(port);
        address->len = sizeof(*ip6);
        snprintf(address->host, sizeof(address->host), "[%.45s]:%u", host, port);
    }
}
