/* An HTTP server: a worker that accepts connections from one listener and answers their requests.
 *
 * States, in this order and never back:
 *
 *     RUNNING --SIGTERM--> DRAINING --drain_ms--> CLOSING --all closed, or shutdown_ms--> STOPPED
 *        `--- SIGINT, or drain_ms is 0 ------------^  (a second SIGTERM also ends DRAINING)
 *
 *   RUNNING   accepts and answers
 *   DRAINING  the same, with `Connection: close` in each response, so that load balancers leave
 *   CLOSING   the listener is closed. Requests in flight are answered, and so are requests that
 *             still arrive on open connections. Idle connections are closed after half a second,
 *             the rest after shutdown_ms
 *   STOPPED   http_server_run returns
 *
 * A request passes validate.h, the program's handler, and at its end request_end (request.h). The
 * main thread runs an HTTP server, too: the admin listener.
 */
#ifndef SERVER_HTTP_HTTP_SERVER_H
#define SERVER_HTTP_HTTP_SERVER_H

#include "server/http/output_budget.h"
#include "server/loop/worker.h"

#include <pthread.h>

enum http_server_state {
    HTTP_SERVER_RUNNING,
    HTTP_SERVER_DRAINING,
    HTTP_SERVER_CLOSING,
    HTTP_SERVER_STOPPED
};

/* The caller zeroes the struct, and sets `index`, `routes`, `metrics` and `app` of its worker. */
struct http_server {
    struct worker worker; /* first: worker_of(req) is the server of the request as well */
    pthread_t thread;     /* set by the caller */

    /* private */
    atomic_int _wanted_state; /* enum http_server_state, from any thread */
    enum http_server_state _state;
    struct output_budget _budget;
    h2o_globalconf_t _globalconf;
    h2o_accept_ctx_t _accept;
    h2o_socket_t *_listener; /* NULL once closed */
    h2o_socket_t *_wake;     /* an eventfd: _wanted_state has changed */
    int _wake_fd; /* a duplicate of it for other threads, open until http_server_joined */
    size_t _connections, _max_connections;
    struct timer _accept_pause, _close_idle, _check_connections;
    uint64_t _closing_since_ms;
};

/* Opens a listening socket. Returns it, or -1 with a sentence in `error`. */
int http_server_listen(const struct config_address *address, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/* Creates the worker's loop and starts to accept from a duplicate of `listener`. `handle` gets
 * every valid request, and must answer it within its own deadline. libh2o answers 413 to bodies of
 * more than `max_body_bytes`. Call it in the thread that will run the server. Returns 0, or -1 with
 * errno. */
int http_server_init(struct http_server *server, const struct service_config *settings,
                     int listener, size_t max_body_bytes,
                     int (*handle)(h2o_handler_t *, h2o_req_t *))
    __attribute__((warn_unused_result));

/* Runs the loop until the server has stopped. */
void http_server_run(struct http_server *server);

/* Frees everything in the loop. Call it after http_server_run, in the same thread. */
void http_server_fini(struct http_server *server);

/* Closes the descriptor for http_server_want. Call it from the main thread, after the server's
 * thread has ended. */
void http_server_joined(struct http_server *server);

/* Moves the server to a later state. Any thread, until http_server_joined. */
void http_server_want(struct http_server *server, enum http_server_state state);

#endif
