/* The limits of a client's connection, and how a connection ends that does not end well. A client that
 * stalls, in reading or in writing, costs its socket and little memory, for a limited time.
 *
 * libh2o's limits are too wide, and its one timeout runs on the wall clock, which may jump:
 * http_server.c takes it out of the loop. Instead a worker looks over its connections a few times a second, by the
 * state of the request on each, and ends those that exceed their limits. Phases:
 *   idle    no byte of the next request has come; after idle_ms the connection is closed
 *   head    at most max_head_bytes, within head_ms; else 408, 414 or 431
 *   body    within body_ms, else 408; a head that validate.h refuses is refused without waiting for
 *           the body
 *   answer  a handler has the request and keeps its deadline. From then on the client has answer_ms
 *           to take the answer, if its length is known: what is written in pieces has deadlines of
 *           its own
 * The kernel gives up a client that takes nothing at all (TCP_USER_TIMEOUT), two seconds after idle_ms:
 * first a handler with a deadline of its own may do it, and log it.
 *
 * A response that is cut short ends with a reset (RST), never with an orderly close (FIN). In HTTP/1.0
 * a body without Content-Length is complete when the connection closes (RFC 9112, 6.3 and 8), so only
 * a reset tells a client, or a proxy that asks in HTTP/1.0 as nginx does by default, that the rest is
 * missing. Every such end goes through one of the functions below. A response of which libh2o has
 * handed all bytes to the kernel is complete and is never reset.
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

/* What a program has found out about a value in a connection's requests, so that it need not be found out again
 * while the value stays the same. All zero at first. */
struct connection_finding {
    uint64_t hash; /* of the value, seeded; 0: there is none yet */
    bool is_so;
};

/* One connection; on the heap, from its accept to its socket's on_close. */
struct connection {
    struct worker *worker;
    enum connection_phase phase; /* as of the last look */
    uint64_t since_ms;
    uint64_t requests, requests_seen;  /* that were answered until now; until the last look */
    bool is_handled;                   /* from connection_request_begin to connection_request_end */
    struct connection_finding finding; /* the program's own */
};

/* Takes over a socket that was just accepted; `on_close` gets the struct connection, to be freed,
 * when it is closed. */
void connection_begin(struct worker *worker, h2o_socket_t *socket, void (*on_close)(void *));

/* Looks over all connections of the worker, once. */
void connections_check(struct worker *worker);

/* The finding of the request's connection. */
struct connection_finding *connection_finding(h2o_req_t *req);

/* Notes that handlers have the request, which libh2o has stopped reading for. The socket stays
 * registered with epoll, without being read: to take it out and to put it back would be two system
 * calls for each request. */
void connection_request_begin(h2o_req_t *req);

/* Notes that the request is over; its socket must still be open. */
void connection_request_end(h2o_req_t *req);

/* Gives up a response that its client does not take: unless it has taken what is being written by the
 * end of this turn of the loop, the connection is reset. Its handler may go on meanwhile; libh2o finds
 * the connection closed and disposes of the request. */
void connection_cut(h2o_req_t *req);

/* Gives up a response that cannot be continued, between two pieces of it: resets the connection and
 * ends the response. The request's memory may be gone when this returns. */
void connection_abort(h2o_req_t *req);

/* Resets every connection of the worker on which a response is due or under way. For the end of a
 * stop whose time is up, after the loop's last turn. */
void connections_abort(struct worker *worker);

/* From now on whatever closes the connection resets it, even the death of the process, until the
 * response is complete. For a response whose length is not known beforehand. Before it is started. */
void connection_reset_unless_complete(h2o_req_t *req);

/* The limits on the head of a request. */
struct head_limits connection_head_limits(const struct service_config *settings);

#endif
