/* A server on a free port of loopback, and one client's connection to it. The test turns the
 * server's loop. */
#ifndef TESTS_UNIT_SERVER_FIXTURE_H
#define TESTS_UNIT_SERVER_FIXTURE_H

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/http/http_server.h"

static const struct service_config SETTINGS = {.workers = 1,
                                               .shutdown_ms = 60000,
                                               .idle_ms = 60000,
                                               .head_ms = 60000,
                                               .body_ms = 60000,
                                               .answer_ms = 60000,
                                               .max_connections = 10,
                                               .max_target_bytes = 1000,
                                               .max_head_bytes = 1000,
                                               .max_unread_bytes = 65536,
                                               .max_unsent_bytes = 1000000};
static struct http_server server;

/* Starts the server. Returns the client's socket once the server has accepted the connection. */
static int start_with_client(struct service_metrics *metrics,
                             int (*handle)(h2o_handler_t *, h2o_req_t *))
{
    static const char *const ROUTES[] = {"none", NULL};
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    char error[100];
    int listener, client;

    listener =
        http_server_listen(&(struct config_address){.host = "127.0.0.1"}, error, sizeof(error));
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&at, &len) != 0)
        exit(1);
    server.worker.metrics = metrics;
    server.worker.routes = ROUTES;
    if (http_server_init(&server, &SETTINGS, listener, 1000, handle) != 0 ||
        connect(client, (struct sockaddr *)&at, len) != 0)
        exit(1);
    close(listener);
    while (server._connections == 0)
        worker_turn(&server.worker);
    return client;
}

#endif
