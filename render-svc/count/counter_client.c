#include "render-svc/count/counter_client.h"

#include "base/invariant.h"
#include "proto/api.h"
#include "render-svc/count/render_metrics.h"
#include "render-svc/count/replicas.h"
#include "server/loop/resolver.h"
#include "server/ops/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PORT 8081

/* The deadline of a DNS look-up. The known addresses stay in use meanwhile. */
#define RESOLVE_MS 2000

/* The interval at which due probes are sent. Up to the same time is added at random, to spread the
 * probes of many workers. */
#define PROBE_TICK_MS 200

_Static_assert(REPLICAS_STAYS == METRICS_N_MOVES, "each move has its metric");
_Static_assert(REPLICAS_MAX == RESOLVER_MAX_ADDRESSES, "the list has room for every address");

struct counter_call {
    struct counter_client *client;
    h2o_linklist_t link;
    struct http_request request; /* its trace is the one below */
    struct trace trace;
    http_callback callback;
    void *data;
    struct http_call *call;      /* NULL unless it is in flight */
    struct http_address address; /* of its last try */
    uint64_t begun_ms;           /* when its last try began */
    size_t tries_left;
    struct timer no_address;
};

struct counter_client {
    struct worker *worker;
    const struct counter_client_settings *settings;
    struct http_client *http;
    struct resolver resolver;
    struct timer next_resolve, next_probes;
    struct replicas replicas;
    h2o_linklist_t calls;
    bool reachable; /* as the last call or probe showed */
};

static void resolve(struct counter_client *client);
static void send_probes(struct counter_client *client);
static void wait_for_probes(struct counter_client *client);
static void on_replicas_resolved(void *data, const struct addresses *found, const char *error);
static void on_resolve_due(struct timer *timer);
static void on_probes_due(struct timer *timer);
static bool on_probed(void *data, const struct http_answer *answer);
static void try_next(struct counter_call *call);
static void on_no_address(struct timer *timer);
static bool on_call_answered(void *data, const struct http_answer *answer);

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
    replicas_init(&client->replicas, jitter(REPLICAS_SHARES));
    resolve(client);
    wait_for_probes(client);
    return client;
}

/* --- replicas --- */

/* Resolves the name of counter-svc. */
static void resolve(struct counter_client *client)
{
    resolver_start(&client->resolver, client->worker, client->settings->host, RESOLVE_MS,
                   on_replicas_resolved, client);
}

/* Logs and counts a move to another address. */
static void note_move(struct counter_client *client, enum replicas_move move, const char *why)
{
    struct render_metrics *metrics = render_metrics_of(client->worker);

    metric_set(&metrics->upstream_rank, client->replicas.used + 1);
    if (move == REPLICAS_STAYS)
        return;
    metric_add(&metrics->upstream_moves[move], 1);
    log_event(LOG_LEVEL_INFO, "counter-changed", "from=%s to=%s reason=%s", client->replicas.left,
              replicas_used(&client->replicas)->host, LOG_QUOTED(why));
}

static void on_replicas_resolved(void *data, const struct addresses *found, const char *error)
{
    struct counter_client *client = data;
    struct http_address addresses[RESOLVER_MAX_ADDRESSES];

    if (error == NULL) {
        for (size_t i = 0; i < found->count; ++i)
            http_address_set(&addresses[i], found->hosts[i], client->settings->port);
        note_move(client, replicas_set(&client->replicas, addresses, found->count, monotonic_ms()),
                  "its address was removed from DNS");
        metric_set(&render_metrics_of(client->worker)->replicas, found->count);
    } else {
        log_event(LOG_LEVEL_DEBUG, "look-up-failed", "host=%s error=%s", client->settings->host,
                  LOG_QUOTED(error));
    }
    timer_start_after(&client->worker->timers, &client->next_resolve,
                      (uint64_t)client->settings->resolve_ms, on_resolve_due);
}

static void on_resolve_due(struct timer *timer)
{
    resolve(H2O_STRUCT_FROM_MEMBER(struct counter_client, next_resolve, timer));
}

/* --- calls --- */

/* Creates a call with a copy of the request and its trace. */
static struct counter_call *call_create(struct counter_client *client,
                                        const struct http_request *request)
{
    struct counter_call *call = h2o_mem_alloc(sizeof(*call));

    *call = (struct counter_call){.client = client, .request = *request};
    if (request->trace != NULL)
        call->trace = *request->trace;
    else
        trace_begin(&call->trace);
    call->request.trace = &call->trace;
    h2o_linklist_insert(&client->calls, &call->link);
    return call;
}

/* Sends a call to this address. `callback` gets the call as its data. */
static void send_call(struct counter_call *call, const struct http_address *address,
                      http_callback callback)
{
    call->address = *address;
    call->begun_ms = monotonic_ms();
    call->call = http_call(call->client->http, &call->address, &call->request, callback, call);
}

struct counter_call *counter_call(struct counter_client *client, const struct http_request *request,
                                  http_callback callback, void *data)
{
    struct counter_call *call = call_create(client, request);

    call->callback = callback;
    call->data = data;
    call->tries_left = client->replicas.count;
    try_next(call);
    return call;
}

/* Sends the call to the address in use. Ends it if there is none, or if every address was tried. */
static void try_next(struct counter_call *call)
{
    const struct http_address *address = replicas_used(&call->client->replicas);

    INVARIANT(call->call == NULL);
    if (address == NULL || call->tries_left == 0) {
        timer_start_after(&call->client->worker->timers, &call->no_address, 0, on_no_address);
        return;
    }
    --call->tries_left;
    send_call(call, address, on_call_answered);
}

/* Sets whether counter-svc is reachable, for readiness, and logs a change. `why_not` is NULL if it
 * is. */
static void set_reachable(const struct counter_call *call, const char *why_not)
{
    struct counter_client *client = call->client;
    bool reachable = why_not == NULL;

    if (reachable != client->reachable)
        log_event(reachable ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
                  reachable ? "counter-reached" : "counter-lost", "reason=%s trace=%s",
                  LOG_QUOTED(reachable ? "it answers" : why_not), call->trace.id);
    client->reachable = reachable;
    atomic_store(&client->worker->not_ready, why_not);
}

/* Ends a call that no address can take. */
static void on_no_address(struct timer *timer)
{
    static const struct http_answer UNREACHED = {.outcome = HTTP_NOT_SENT,
                                                 .reason = "no address of counter-svc answers"};
    struct counter_call *call = H2O_STRUCT_FROM_MEMBER(struct counter_call, no_address, timer);

    set_reachable(call, UNREACHED.reason);
    h2o_linklist_unlink(&call->link);
    call->callback(call->data, &UNREACHED);
    free(call);
}

/* Returns the failure of the address that this answer shows, or NULL. */
static const char *failure_of(const struct http_answer *answer)
{
    if (answer->outcome != HTTP_ANSWERED)
        return answer->reason;
    if (answer->status == 401)
        return "counter-svc does not accept the token";
    if (answer->status == 503)
        return "counter-svc is not ready; its /ready shows the reason";
    return answer->status >= 500 ? "counter-svc answered with an error" : NULL;
}

/* Reports the outcome of a call to the replicas and to readiness. After a failed read a probe
 * decides whether the address works, because the read may have requested too much. */
static void report(const struct counter_call *call, enum http_outcome outcome, const char *failure)
{
    struct counter_client *client = call->client;
    struct replicas *replicas = &client->replicas;
    uint64_t now_ms = monotonic_ms();

    if (failure == NULL) {
        if (replicas_answered(replicas, &call->address, now_ms))
            set_reachable(call, NULL);
    } else if (outcome != HTTP_NOT_SENT && strcmp(call->request.method, "GET") == 0) {
        replicas_suspect(replicas, &call->address, call->begun_ms);
        send_probes(client);
    } else {
        note_move(client, replicas_failed(replicas, &call->address, call->begun_ms, now_ms),
                  failure);
        if (replicas_all_failed(replicas))
            set_reachable(call, failure);
    }
}

static bool on_call_answered(void *data, const struct http_answer *answer)
{
    struct counter_call *call = data;
    const char *failure = failure_of(answer);
    bool is_accepted;

    INVARIANT(call->call != NULL);
    call->call = NULL;
    if (failure != NULL)
        report(call, answer->outcome,
               failure); /* before the callback, which may start another call */
    if (answer->outcome == HTTP_NOT_SENT && call->tries_left != 0) {
        try_next(call);
        return true;
    }
    h2o_linklist_unlink(&call->link);
    is_accepted = call->callback(call->data, answer);
    if (failure == NULL)
        report(call, answer->outcome, is_accepted ? NULL : "the answer does not match the request");
    free(call);
    return is_accepted;
}

void counter_call_cancel(struct counter_call *call)
{
    INVARIANT(h2o_linklist_is_linked(&call->link));
    if (call->call != NULL)
        http_call_cancel(call->call);
    timer_stop(&call->no_address);
    h2o_linklist_unlink(&call->link);
    free(call);
}

/* --- probes --- */

/* Probes every address that is due. A probe is a small read that uses PostgreSQL. */
static void send_probes(struct counter_client *client)
{
    static const struct http_request PROBE = {.method = "GET", .target = API_TOTALS};
    struct replicas *replicas = &client->replicas;
    size_t index;

    while ((index = replicas_next_probe(replicas, monotonic_ms(),
                                        (uint64_t)client->settings->resolve_ms)) != replicas->count)
        send_call(call_create(client, &PROBE), &replicas->list[index].address, on_probed);
}

static void wait_for_probes(struct counter_client *client)
{
    timer_start_after(&client->worker->timers, &client->next_probes,
                      PROBE_TICK_MS + jitter(PROBE_TICK_MS), on_probes_due);
}

static void on_probes_due(struct timer *timer)
{
    struct counter_client *client =
        H2O_STRUCT_FROM_MEMBER(struct counter_client, next_probes, timer);

    send_probes(client);
    wait_for_probes(client);
}

static bool on_probed(void *data, const struct http_answer *answer)
{
    struct counter_call *call = data;
    struct counter_client *client = call->client;
    struct replicas *replicas = &client->replicas;
    const char *failure = failure_of(answer);
    enum replicas_move move;

    if (failure == NULL && answer->status != 200)
        failure = "the answer to a probe is not 200";
    move =
        replicas_probed(replicas, &call->address, failure == NULL, call->begun_ms, monotonic_ms());
    note_move(client, move, failure != NULL ? failure : "a lower address has been healthy");
    if (failure != NULL ? replicas_all_failed(replicas)
                        : http_address_equals(replicas_used(replicas), &call->address))
        set_reachable(call, failure);
    h2o_linklist_unlink(&call->link);
    free(call);
    return true;
}

void counter_client_destroy(struct counter_client *client)
{
    if (client == NULL)
        return;
    resolver_cancel(&client->resolver);
    timer_stop(&client->next_resolve);
    timer_stop(&client->next_probes);
    while (!h2o_linklist_is_empty(&client->calls))
        counter_call_cancel(H2O_STRUCT_FROM_MEMBER(struct counter_call, link, client->calls.next));
    http_client_destroy(client->http);
    free(client);
}
