#include "render-svc/counter_client.h"

#include "proto/api.h"
#include "render-svc/render_metrics.h"
#include "service/log.h"
#include "service/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT 8081

/* How long an address that failed is asked only when no other is left. */
#define AVOID_MS 1000

/* How long a look-up may take; the addresses known before stay good meanwhile. */
#define LOOK_UP_MS 2000

struct replica {
    struct http_address address;
    uint64_t avoid_until_ms;
};

struct counter_call {
    struct counter_client *client;
    h2o_linklist_t link;
    const char *method, *target;
    const void *body;
    size_t len;
    struct trace trace;
    http_callback callback;
    void *data;
    struct http_call *call;      /* NULL while no address is known */
    struct http_address address; /* where it was sent */
    size_t tries_left;
    struct timer no_address;
};

struct counter_client {
    struct worker *worker;
    const struct counter_client_settings *settings;
    struct http_client *http;
    struct resolver resolver;
    struct timer next_round;
    size_t n_replicas, next;
    struct replica replicas[RESOLVER_MAX_ADDRESSES];
    h2o_linklist_t calls;
    struct counter_call *probe;
    uint64_t answered_at_ms;
    bool reachable; /* as far as the last call tells */
};

static void look_up(struct counter_client *client);
static void on_resolved(void *data, const struct addresses *found, const char *error);
static void on_next_round(struct timer *timer);
static bool on_probed(void *data, const struct http_answer *answer);
static void try_next(struct counter_call *call);
static void on_no_address(struct timer *timer);
static bool on_answer(void *data, const struct http_answer *answer);

int counter_url_parse(const char *url, char **host, uint16_t *port, char *error, size_t error_size)
{
    const char *name = strncmp(url, "http://", 7) == 0 ? url + 7 : url;
    const char *end = name + strcspn(name, "/"), *name_end, *colon;
    long number = DEFAULT_PORT;
    char *number_end;

    if (*name == '[') {
        ++name;
        name_end = memchr(name, ']', (size_t)(end - name));
        colon = name_end != NULL && name_end[1] == ':' ? name_end + 1 : NULL;
    } else {
        colon = memchr(name, ':', (size_t)(end - name));
        name_end = colon != NULL ? colon : end;
    }
    if (colon != NULL) {
        number = strtol(colon + 1, &number_end, 10);
        if (number_end != end)
            number = 0;
    }
    if (name_end == NULL || name_end == name || name_end - name > 253 || number < 1 ||
        number > 65535 || (*end == '/' && end[1] != '\0')) {
        snprintf(error, error_size, "counter_url: expected http://HOST[:PORT], not %.100s", url);
        return -1;
    }
    *port = (uint16_t)number;
    *host = strndup(name, (size_t)(name_end - name));
    return *host != NULL ? 0 : -1;
}

struct counter_client *counter_client_create(struct worker *worker,
                                             const struct counter_client_settings *settings)
{
    struct counter_client *client = h2o_mem_alloc(sizeof(*client));

    *client = (struct counter_client){.worker = worker, .settings = settings};
    client->http = http_client_create(worker, &settings->http);
    h2o_linklist_init_anchor(&client->calls);
    look_up(client);
    return client;
}

/* --- replicas --- */

static void look_up(struct counter_client *client)
{
    resolver_start(&client->resolver, client->worker, client->settings->host, LOOK_UP_MS,
                   on_resolved, client);
}

static struct replica *find(struct counter_client *client, const struct http_address *address)
{
    for (size_t i = 0; i < client->n_replicas; ++i)
        if (http_address_equals(&client->replicas[i].address, address))
            return &client->replicas[i];
    return NULL;
}

static void on_resolved(void *data, const struct addresses *found, const char *error)
{
    struct counter_client *client = data;
    struct replica replicas[RESOLVER_MAX_ADDRESSES] = {0};

    if (error == NULL) {
        for (size_t i = 0; i < found->count; ++i) {
            const struct replica *known;
            http_address_set(&replicas[i].address, found->hosts[i], client->settings->port);
            known = find(client, &replicas[i].address);
            replicas[i].avoid_until_ms = known != NULL ? known->avoid_until_ms : 0;
        }
        memcpy(client->replicas, replicas, found->count * sizeof(*replicas));
        client->n_replicas = found->count;
        metric_set(&render_metrics_of(client->worker)->replicas, found->count);
    } else {
        log_event(LOG_LEVEL_DEBUG, "look-up-failed", "host=%s error=%s", client->settings->host,
                  LOG_QUOTED(error));
    }
    if (monotonic_ms() - client->answered_at_ms >= (uint64_t)client->settings->resolve_ms &&
        client->probe == NULL)
        client->probe = counter_call(client, "GET", API_TOTALS, NULL, 0, NULL, on_probed, client);
    timer_start_after(&client->worker->timers, &client->next_round,
                      (uint64_t)client->settings->resolve_ms, on_next_round);
}

static void on_next_round(struct timer *timer)
{
    look_up(H2O_STRUCT_FROM_MEMBER(struct counter_client, next_round, timer));
}

static bool on_probed(void *data, const struct http_answer *answer)
{
    struct counter_client *client = data;

    (void)answer; /* on_answer has drawn the conclusions */
    client->probe = NULL;
    return true;
}

/* The next replica in turn that did not fail lately; otherwise the next at all. NULL: none is
 * known. */
static struct replica *pick(struct counter_client *client)
{
    uint64_t now = monotonic_ms();
    struct replica *replica;

    for (size_t i = 0; i < client->n_replicas; ++i) {
        replica = &client->replicas[client->next++ % client->n_replicas];
        if (replica->avoid_until_ms <= now)
            return replica;
    }
    return client->n_replicas != 0 ? &client->replicas[client->next++ % client->n_replicas] : NULL;
}

/* --- calls --- */

struct counter_call *counter_call(struct counter_client *client, const char *method,
                                  const char *target, const void *body, size_t len,
                                  const struct trace *trace, http_callback callback, void *data)
{
    struct counter_call *call = h2o_mem_alloc(sizeof(*call));

    *call = (struct counter_call){.client = client,
                                  .method = method,
                                  .target = target,
                                  .body = body,
                                  .len = len,
                                  .callback = callback,
                                  .data = data,
                                  .tries_left = client->n_replicas};
    if (trace != NULL)
        call->trace = *trace;
    else
        trace_begin(&call->trace);
    h2o_linklist_insert(&client->calls, &call->link);
    try_next(call);
    return call;
}

static void try_next(struct counter_call *call)
{
    struct replica *replica = pick(call->client);

    if (replica == NULL || call->tries_left == 0) {
        timer_start_after(&call->client->worker->timers, &call->no_address, 0, on_no_address);
        return;
    }
    --call->tries_left;
    call->address = replica->address;
    call->call = http_call(call->client->http, &call->address, call->method, call->target,
                           call->body, call->len, &call->trace, on_answer, call);
}

/* Logs and publishes a change of whether counter-svc can be reached, by what became of a call. */
static void conclude(const struct counter_call *call, const char *why_not)
{
    struct counter_client *client = call->client;
    bool reachable = why_not == NULL;

    if (reachable)
        client->answered_at_ms = monotonic_ms();
    if (reachable != client->reachable)
        log_event(reachable ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
                  reachable ? "counter-reached" : "counter-lost", "reason=%s trace=%s",
                  LOG_QUOTED(reachable ? "it answers" : why_not), call->trace.id);
    client->reachable = reachable;
    atomic_store(&client->worker->not_ready, why_not);
}

static bool finish(struct counter_call *call, const struct http_answer *answer)
{
    http_callback callback = call->callback;
    void *data = call->data;

    h2o_linklist_unlink(&call->link);
    free(call);
    return callback(data, answer);
}

static void on_no_address(struct timer *timer)
{
    static const struct http_answer UNREACHED = {.outcome = HTTP_NOT_SENT,
                                                 .reason = "no address of counter-svc answers"};
    struct counter_call *call = H2O_STRUCT_FROM_MEMBER(struct counter_call, no_address, timer);

    conclude(call, UNREACHED.reason);
    finish(call, &UNREACHED);
}

static bool on_answer(void *data, const struct http_answer *answer)
{
    struct counter_call *call = data;
    struct counter_client *client = call->client;
    struct replica *replica = find(client, &call->address);
    bool works = answer->outcome == HTTP_ANSWERED && answer->status != 503;

    call->call = NULL;
    if (replica != NULL)
        replica->avoid_until_ms = works ? 0 : monotonic_ms() + AVOID_MS;
    if (answer->outcome == HTTP_NOT_SENT && call->tries_left != 0) {
        try_next(call);
        return true;
    }
    if (answer->outcome != HTTP_ANSWERED)
        conclude(call, answer->reason);
    else if (answer->status == 503)
        conclude(call, "counter-svc cannot reach PostgreSQL");
    else if (answer->status == 401)
        conclude(call, "counter-svc does not take the token");
    else
        conclude(call, NULL);
    return finish(call, answer);
}

void counter_call_cancel(struct counter_call *call)
{
    if (call->call != NULL)
        http_call_cancel(call->call);
    timer_stop(&call->no_address);
    h2o_linklist_unlink(&call->link);
    free(call);
}

void counter_client_destroy(struct counter_client *client)
{
    if (client == NULL)
        return;
    resolver_cancel(&client->resolver);
    timer_stop(&client->next_round);
    while (!h2o_linklist_is_empty(&client->calls))
        counter_call_cancel(H2O_STRUCT_FROM_MEMBER(struct counter_call, link, client->calls.next));
    http_client_destroy(client->http);
    free(client);
}
