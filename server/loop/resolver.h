/* Resolves names to addresses without blocking the loop.
 *
 * getaddrinfo blocks, for half a minute if a name server is dead. So a thread of libh2o calls it
 * and hands the result to the loop. This module adds a deadline and returns all addresses as text:
 * `tasks.NAME` in a Swarm has one for each replica. Numeric hosts need no look-up and no thread.
 *
 * The callback runs exactly once, from the loop, never before resolver_start returns, never after
 * resolver_cancel. All calls from the loop's thread.
 */
#ifndef SERVER_LOOP_RESOLVER_H
#define SERVER_LOOP_RESOLVER_H

#include "server/loop/worker.h"

/* Maximum of addresses. If there are more, the lowest are kept. */
#define RESOLVER_MAX_ADDRESSES 64

/* The numeric addresses of a name, each once, in ascending order: IPv4 before IPv6, each by its
 * bytes. Name servers return them in any order; sorting gives every process the same order. */
struct addresses {
    size_t count;
    char hosts[RESOLVER_MAX_ADDRESSES][46];
};

/* Inserts a numeric address in order, unless it is already there. If there is no room, the highest
 * address is dropped. */
void addresses_add(struct addresses *addresses, const char *host);

/* `error` is NULL, or a short text. With an error, `found` is empty. */
typedef void (*resolver_callback)(void *data, const struct addresses *found, const char *error);

/* One look-up at a time; zeroed before its first use. */
struct resolver {
    struct worker *_worker;
    resolver_callback _callback;
    void *_data;
    h2o_hostinfo_getaddr_req_t *_request;
    struct timer _deadline; /* for a numeric host: due at once */
    struct addresses _found;
    char _host[256];
};

/* Looks up `host`: a name, an IPv4 address, or an IPv6 address without brackets; at most 255
 * bytes. */
void resolver_start(struct resolver *resolver, struct worker *worker, const char *host,
                    uint64_t deadline_ms, resolver_callback callback, void *data);

/* Cancels the look-up, if there is one. */
void resolver_cancel(struct resolver *resolver);

#endif
