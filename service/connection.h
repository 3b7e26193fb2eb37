/* What a client's connection may take: a client that stalls, in reading or in writing, costs its
 * socket and little memory, for a limited time.
 *
 * libh2o has one timeout, for a request to come or the next one (idle_ms), and hard limits that are
 * too wide. So a worker looks over its connections a few times a second, by what libh2o tells of the
 * request on each, and ends those that are over their limits. Phases:
 *   idle    no byte of the next request has come; left to libh2o and idle_ms
 *   head    at most max_head_bytes, within head_ms; else 408, 414 or 431
 *   body    within body_ms, else 408; a head that is to be refused (strict.h) is, without waiting
 *           for the body
 *   answer  the request is in a handler's hands, who keeps its deadline. From then on the client has
 *           answer_ms to take the answer, if its length is known: what is written in pieces has its
 *           own deadlines
 * A client that takes nothing at all is given up by the kernel (TCP_USER_TIMEOUT, after idle_ms).
 *
 * All on the monotonic clock, from the loop's thread.
 */
#ifndef SERVICE_CONNECTION_H
#define SERVICE_CONNECTION_H

#include "service/strict.h"

#include <h2o.h>

struct service_config;
struct worker;

enum connection_phase { CONNECTION_IDLE, CONNECTION_HEAD, CONNECTION_BODY, CONNECTION_ANSWER };

/* One connection; on the heap, from its accept to its socket's on_close. */
struct connection {
    struct worker *worker;
    enum connection_phase phase; /* as of the last look */
    uint64_t since_ms;
    struct timeval request_begun; /* which request that was */
};

/* Takes over a socket that was just accepted; `on_close` gets the struct connection, to be freed,
 * when it is closed. */
void connection_begin(struct worker *worker, h2o_socket_t *socket, void (*on_close)(void *));

/* Looks over all connections of the worker, once. */
void connections_look_over(struct worker *worker);

/* Ends the connection of a request, whatever is still on its way to the client; libh2o finds it closed.
 */
void connection_cut(h2o_req_t *req);

/* The limits on the head of a request. */
struct strict_limits connection_head_limits(const struct service_config *settings);

#endif
