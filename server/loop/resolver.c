#include "server/loop/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

static void on_numeric(struct timer *timer);
static void on_lookup_deadline(struct timer *timer);
static void on_found(h2o_hostinfo_getaddr_req_t *request, const char *error, struct addrinfo *list,
                     void *data);

static bool is_numeric(const char *host)
{
    unsigned char address[16];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

void resolver_start(struct resolver *resolver, struct worker *worker, const char *host,
                    uint64_t deadline_ms, resolver_callback callback, void *data)
{
    resolver->_worker = worker;
    resolver->_callback = callback;
    resolver->_data = data;
    resolver->_found.count = 0;
    snprintf(resolver->_host, sizeof(resolver->_host), "%s", host);
    if (is_numeric(host)) {
        snprintf(resolver->_found.hosts[0], sizeof(resolver->_found.hosts[0]), "%s", host);
        resolver->_found.count = 1;
        timer_start_after(&worker->timers, &resolver->_deadline, 0, on_numeric);
        return;
    }
    timer_start_after(&worker->timers, &resolver->_deadline, deadline_ms, on_lookup_deadline);
    resolver->_request = h2o_hostinfo_getaddr(
        &worker->context.receivers.hostinfo_getaddr,
        h2o_iovec_init(resolver->_host, strlen(resolver->_host)), h2o_iovec_init(H2O_STRLIT("0")),
        AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP, AI_ADDRCONFIG | AI_NUMERICSERV, on_found, resolver);
}

void resolver_cancel(struct resolver *resolver)
{
    timer_stop(&resolver->_deadline);
    if (resolver->_request == NULL)
        return;
    h2o_hostinfo_getaddr_cancel(resolver->_request);
    resolver->_request = NULL;
    /* libh2o's thread may still send the result to the context. */
    resolver->_worker->keep_context = true;
}

static void on_numeric(struct timer *timer)
{
    struct resolver *resolver = H2O_STRUCT_FROM_MEMBER(struct resolver, _deadline, timer);

    resolver->_callback(resolver->_data, &resolver->_found, NULL);
}

static void on_lookup_deadline(struct timer *timer)
{
    struct resolver *resolver = H2O_STRUCT_FROM_MEMBER(struct resolver, _deadline, timer);

    resolver_cancel(resolver);
    resolver->_callback(resolver->_data, &resolver->_found, "no answer from the name server");
}

/* The sort key of an address: only bytes, so that it has no padding. */
struct sort_key {
    unsigned char is_ip6;
    unsigned char bytes[16];
};

static struct sort_key sort_key_of(const char *host)
{
    struct sort_key key = {0};

    if (inet_pton(AF_INET, host, key.bytes) != 1) {
        key.is_ip6 = 1;
        inet_pton(AF_INET6, host, key.bytes);
    }
    return key;
}

void addresses_add(struct addresses *addresses, const char *host)
{
    struct sort_key key = sort_key_of(host);
    size_t at = addresses->count;

    for (; at > 0; --at) {
        struct sort_key before = sort_key_of(addresses->hosts[at - 1]);
        int order = memcmp(&before, &key, sizeof(key));
        if (order == 0)
            return;
        if (order < 0)
            break;
    }
    if (at == RESOLVER_MAX_ADDRESSES)
        return;
    if (addresses->count < RESOLVER_MAX_ADDRESSES)
        ++addresses->count;
    memmove(addresses->hosts[at + 1], addresses->hosts[at],
            (addresses->count - at - 1) * sizeof(addresses->hosts[0]));
    snprintf(addresses->hosts[at], sizeof(addresses->hosts[at]), "%s", host);
}

/* Adds an address of getaddrinfo's list. */
static void add(struct addresses *found, const struct addrinfo *entry)
{
    char host[46];
    const void *address;

    if (entry->ai_family == AF_INET)
        address = &((const struct sockaddr_in *)entry->ai_addr)->sin_addr;
    else if (entry->ai_family == AF_INET6)
        address = &((const struct sockaddr_in6 *)entry->ai_addr)->sin6_addr;
    else
        return;
    if (inet_ntop(entry->ai_family, address, host, sizeof(host)) != NULL)
        addresses_add(found, host);
}

static void on_found(h2o_hostinfo_getaddr_req_t *request, const char *error, struct addrinfo *list,
                     void *data)
{
    struct resolver *resolver = data;

    (void)request;
    resolver->_request = NULL;
    timer_stop(&resolver->_deadline);
    for (const struct addrinfo *entry = list; error == NULL && entry != NULL;
         entry = entry->ai_next)
        add(&resolver->_found, entry);
    if (error == NULL && resolver->_found.count == 0)
        error = "the name has no address";
    resolver->_callback(resolver->_data, &resolver->_found, error);
}
