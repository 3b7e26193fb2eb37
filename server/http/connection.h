/* The limits of a client's connection, and connections that are cut. A client that stalls, in
 * reading or in writing, costs a socket and little memory, for a limited time.
 *
 * libh2o's limits are too wide, and its only timeout runs on the wall clock, which may jump.
 * http_server.c disables it. Instead a worker checks its connections a few times a second and ends
 * those that exceed their limits. The limit depends on the phase of the request:
 *   idle    no byte of the next request has arrived; closed after idle_ms
 *   head    at most max_head_bytes, within head_ms; otherwise 408, 414 or 431
 *   body    within body_ms, otherwise 408. If validate.h refuses the head, it is refused without
 *           waiting for the body
 *   answer  a handler has the request, and keeps its own deadline. The client has answer_ms to read
 *           an answer of known length. Each piece of other answers has a deadline of its own
 * If a client reads nothing at all, the kernel drops the connection (TCP_USER_TIMEOUT), two seconds
 * after idle_ms. A handler with its own deadline does so earlier, and logs it.
 *
 * A response that is cut short ends with a reset (RST), never with an orderly close (FIN). In
 * HTTP/1.0 a body without Content-Length is complete when the connection closes (RFC 9112, 6.3 and
 * 8). Only a reset shows that the rest is missing, to a client or to a proxy that uses HTTP/1.0, as
 * nginx does by default. The functions below cut a response in this way. A response is complete
 * once libh2o has handed all bytes to the kernel. A complete response is never reset.
 *
 * All on the monotonic clock, from the loop's thread.
 */
#ifndef SERVER_HTTP_CONNECTION_H
#define SERVER_HTTP_CONNECTION_H

#include "server/http/validate.h"

#include <h2o.h>
#include <stdbool.h>

struct service_config;
struct worker;

enum connection_phase { CONNECTION_IDLE, CONNECTION_HEAD, CONNECTION_BODY, CONNECTION_ANSWER };

/* A cached result of the program about a header of a connection's requests. It is valid while the
 * header has the same value. Zeroed at first. */
struct connection_finding {
    uint64_t hash; /* of the value, seeded; 0: no result yet */
    bool is_so;
};

/* A connection, on the heap, from its accept to its socket's on_close. */
struct connection {
    struct worker *worker;
    enum connection_phase phase;       /* at the last check */
    uint64_t since_ms;                 /* when a check first saw this phase */
    uint64_t requests, requests_seen;  /* answered until now; answered until the last check */
    bool is_handled;                   /* from connection_request_begin to connection_request_end */
    struct connection_finding finding; /* the program's own */
};

/* The socket of the request's connection, which libh2o owns. */
h2o_socket_t *connection_socket(const h2o_req_t *req);

/* Takes over a socket that was just accepted. When it is closed, `on_close` gets the struct
 * connection and must free it. */
void connection_begin(struct worker *worker, h2o_socket_t *socket, void (*on_close)(void *));

/* Checks all connections of the worker once. */
void connections_check(struct worker *worker);

/* Returns the finding of the request's connection. */
struct connection_finding *connection_finding(h2o_req_t *req);

/* Notes that a handler has the request. libh2o has stopped reading, but the socket stays registered
 * with epoll: removing it and adding it again would take two system calls for each request. */
void connection_request_begin(h2o_req_t *req);

/* Notes that the request has ended. Its socket must still be open. */
void connection_request_end(h2o_req_t *req);

/* Gives up a response that its client does not read. Resets the connection at the end of this turn
 * of the loop, unless the client has taken all written bytes by then. The handler may continue
 * until libh2o finds the connection closed and frees the request. */
void connection_cut(h2o_req_t *req);

/* Gives up a response that cannot be continued, between two of its pieces: resets the connection
 * and ends the response. The request's memory may be freed when this returns. */
void connection_abort(h2o_req_t *req);

/* Resets every connection of the worker whose response is due or in progress. Call it after the
 * last turn of the loop, if shutdown_ms is over. */
void connections_abort(struct worker *worker);

/* From now on, closing the connection resets it until the response is complete, even if the process
 * ends. For a response of unknown length. Call it before the response starts. */
void connection_reset_unless_complete(h2o_req_t *req);

/* Returns the limits on the head of a request. */
struct head_limits connection_head_limits(const struct service_config *settings);

#endif
