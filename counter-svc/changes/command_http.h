/* One blocking HTTP request: for a command, not for a service. */
#ifndef COUNTER_CHANGES_COMMAND_HTTP_H
#define COUNTER_CHANGES_COMMAND_HTTP_H

#include "base/buffer.h"
#include "server/ops/config.h"

/* The most bytes of an answer. */
#define COMMAND_HTTP_MAX_BYTES ((size_t)32 * 1024 * 1024)

struct command_http_call {
    const struct config_address *address; /* 0.0.0.0 and :: mean loopback */
    const char *token;                    /* a bearer token */
    const char *method;
    const char *target;
    const struct buffer *body; /* JSON; NULL: none */
    int timeout_s;             /* of connecting, of each write, and of each read */
};

/* Makes the call on a new connection and appends the body of the answer. Returns the status, or -1
 * with a sentence in `error` if there was no complete answer. The request may still have been
 * served. */
int command_http_call(const struct command_http_call *call, struct buffer *answer,
                      const char **error) __attribute__((warn_unused_result));

#endif
