/* Where counter-svc is, and which of its replicas to ask: every address that its name has, each in
 * its turn, those that failed lately last.
 *
 * The name is looked up again every `resolve_ms`, so replicas that come and go are noticed,
 * whatever the name server says of how long its answer is good. When nobody calls for that long, a
 * small call is made, so that readiness is about now.
 *
 * A call that could not be sent goes to the next address at once; once it may have left, its fate
 * is the caller's business.
 */
#ifndef RENDER_COUNTER_CLIENT_H
#define RENDER_COUNTER_CLIENT_H

#include "render-svc/http_client.h"

struct counter_client_settings {
    char *host; /* a name or a numeric address */
    uint16_t port;
    int64_t resolve_ms;
    struct http_settings http;
};

struct counter_client;
struct counter_call;

/* Reads HOST[:PORT] or http://HOST[:PORT][/] into `host`, to be freed, and `port` (8081 unless
 * given). Returns 0, or -1 with a sentence in `error`. */
int counter_url_parse(const char *url, char **host, uint16_t *port, char *error, size_t error_size)
    __attribute__((warn_unused_result));

/* `settings` must outlive it. */
struct counter_client *counter_client_create(struct worker *worker,
                                             const struct counter_client_settings *settings);

/* Cancels every call; takes NULL. */
void counter_client_destroy(struct counter_client *client);

/* Calls counter-svc, for a request or batch of this trace; NULL: the call has a trace of its own.
 * `method`, `target` and `body` must live until the callback, which runs exactly once, from the loop,
 * never before this returns, never after counter_call_cancel. */
struct counter_call *counter_call(struct counter_client *client, const char *method,
                                  const char *target, const void *body, size_t len,
                                  const struct trace *trace, http_callback callback, void *data);

void counter_call_cancel(struct counter_call *call);

#endif
