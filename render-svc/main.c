#include "base/random.h"
#include "render-svc/html/link.h"
#include "render-svc/public/render.h"
#include "render-svc/public/routes.h"
#include "server/ops/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An idle connection to counter-svc is closed before counter-svc (idle_ms, a minute) or anything
 * between (IPVS, a quarter of an hour) forgets it. */
#define MAX_IDLE_MS 20000

#define BASE_MAX_BYTES 200

/* Of zlib, for answers that are made for one request or one batch (docs/performance.md). */
#define GZIP_LEVEL 1

#define KEY(name_, type_, field_)                                                                  \
    .name = name_, .type = type_, .offset = offsetof(struct render_config, field_)

static const struct config_key KEYS[] = {
    {KEY("counter_token", CONFIG_SECRET, counter_token), .required = true,
     .help = "Bearer token of requests to counter-svc."},
    {KEY("workers", CONFIG_INTEGER, service.workers), .fallback = "1", .min = 0, .max = 256,
     .help = "Threads, each with its own event loop; 0: one per core."},
    {KEY("counter_url", CONFIG_STRING, counter_url), .fallback = "http://127.0.0.1:8081",
     .help = "URL of counter-svc; each address of its host name is one replica."},
    {KEY("request_deadline_ms", CONFIG_INTEGER, request_deadline_ms), .fallback = "5000",
     .min = 100, .max = 60000, .unit = "ms",
     .help = "Maximum time of a request; a hit not confirmed by then gets 503."},
    {KEY("max_waiting", CONFIG_INTEGER, lanes.max_waiting), .fallback = "10000", .min = 1,
     .max = 1000000,
     .help = "Maximum of hits waiting for a free lane, per worker; others get 503."},
    {KEY("max_reads", CONFIG_INTEGER, max_reads), .fallback = "1000", .min = 1, .max = 100000,
     .help = "Maximum of requests waiting for a read, per worker; others get 503."},
    {KEY("max_exports", CONFIG_INTEGER, max_exports), .fallback = "4", .min = 0, .max = 1000,
     .help = "Maximum of concurrent full exports, per worker; others get 503."},
    {KEY("max_watchers", CONFIG_INTEGER, live.max_subscribers), .fallback = "10000", .min = 0,
     .max = 1000000, .help = "Maximum of subscribers to live changes; others get 503."},
    {KEY("max_watched_views", CONFIG_INTEGER, live.max_views), .fallback = "50", .min = 1,
     .max = 1000, .help = "Maximum of different live views, per worker; others get 503."},
    {KEY("lanes", CONFIG_INTEGER, lanes.lanes), .fallback = "3", .min = 1, .max = 64,
     .help = "Lanes per worker: the maximum of its batches in flight."},
    {KEY("gzip", CONFIG_BOOLEAN, gzip), .fallback = "true",
     .help = "Whether to compress responses for clients that accept gzip."},
    {KEY("base_path", CONFIG_STRING, base_path),
     .help = "Path prefix of the service at a proxy, such as /hits."},
    {KEY("base_path_stripped", CONFIG_BOOLEAN, base_path_stripped), .fallback = "false",
     .help = "Whether the proxy removes base_path from requests."},
    {KEY("path_lower_case", CONFIG_BOOLEAN, path_rules.lower_case), .fallback = "false",
     .help = "Whether /A is counted as /a."},
    {KEY("path_collapse_slashes", CONFIG_BOOLEAN, path_rules.collapse_slashes), .fallback = "false",
     .help = "Whether /a//b is counted as /a/b."},
    {KEY("path_strip_index", CONFIG_BOOLEAN, path_rules.strip_index), .fallback = "false",
     .help = "Whether /a/index.html is counted as /a/."},
    {KEY("path_strip_slash", CONFIG_BOOLEAN, path_rules.strip_slash), .fallback = "false",
     .help = "Whether /a/ is counted as /a."},
    {KEY("prefetch", CONFIG_CHOICE, prefetch), .fallback = "count",
     .choices = (const char *const[]){"count", "refuse", NULL},
     .help = "Prefetches: count them like visits, or refuse them with 503."},
    {KEY("robots", CONFIG_CHOICE, robots), .fallback = "count",
     .choices = (const char *const[]){"count", "deny", NULL},
     .help = "/robots.txt: count it like any path, or serve a Disallow, uncounted."},
    {KEY("bots", CONFIG_CHOICE, bots_are), .fallback = "count",
     .choices = (const char *const[]){"count", "ignore", NULL},
     .help = "Bots: count their hits as hits of bots, or do not count them."},
    {KEY("call_deadline_ms", CONFIG_INTEGER, call_deadline_ms), .fallback = "1500", .min = 50,
     .max = 60000, .unit = "ms",
     .help = "Maximum time of a call to counter-svc; then another replica is tried."},
    {KEY("connect_timeout_ms", CONFIG_INTEGER, connect_timeout_ms), .fallback = "500", .min = 10,
     .max = 60000, .unit = "ms", .help = "Maximum time to connect to an address of counter-svc."},
    {KEY("resolve_ms", CONFIG_INTEGER, client.resolve_ms), .fallback = "2000", .min = 100,
     .max = 600000, .unit = "ms", .help = "Interval of DNS look-ups of the host in counter_url."},
    {.name = NULL}};

static int check_base(struct render_config *config, char *error, size_t error_size)
{
    const char *base = config->base_path;

    if (base == NULL && config->base_path_stripped) {
        snprintf(error, error_size, "base_path_stripped is true, but there is no base_path");
        return -1;
    }
    if (base == NULL)
        return 0;
    if (strlen(base) > BASE_MAX_BYTES || !link_is_base(base)) {
        snprintf(error, error_size,
                 "base_path must be segments of A-Z a-z 0-9 - . _ ~, each after a slash, "
                 "such as /hits, of at most %d bytes together",
                 BASE_MAX_BYTES);
        return -1;
    }
    link_set_base(base);
    config->base_is_in_targets = !config->base_path_stripped;
    return 0;
}

static int check(void *data, char *error, size_t error_size)
{
    struct render_config *config = data;

    if (check_base(config, error, error_size) != 0)
        return -1;
    config->bots = bots_compile(error, error_size);
    if (config->bots == NULL)
        return -1;
    config->lanes.max_wait_ms = (uint64_t)config->request_deadline_ms / 2;

    config->client.http = (struct http_settings){
        .token = config->counter_token,
        .connect_ms = (uint64_t)config->connect_timeout_ms,
        .deadline_ms = (uint64_t)config->call_deadline_ms,
        .max_idle_ms = MAX_IDLE_MS,
    };
    return counter_url_parse(config->counter_url, &config->client.host, &config->client.port, error,
                             error_size);
}

static void release(void *data)
{
    struct render_config *config = data;

    bots_free(config->bots);
    free(config->client.host);
}

static int start(struct worker *worker, const void *data)
{
    const struct render_config *config = data;
    struct render *render = h2o_mem_alloc(sizeof(*render));

    *render = (struct render){.config = config, .metrics = render_metrics_of(worker)};
    worker->app = render;
    render->client = counter_client_create(worker, &config->client);
    render->lanes = lanes_create(worker, render->client, &config->lanes);
    render->ranking = ranking_reader_create(worker, render->client);
    render->reads =
        read_queue_create(worker, render->client, config->request_deadline_ms, config->max_reads);
    render->live = live_create(worker, render->reads, &config->live);
    render->gzip = gzip_create(GZIP_LEVEL);
    render->bots_matcher = bots_matcher_create(config->bots);
    render->agent_seed = random_bits();
    if (worker->index == 0 && !bots_are_jit(config->bots))
        log_event(LOG_LEVEL_WARNING, "bots-interpreted", "reason=%s",
                  LOG_QUOTED("executable memory is refused, as by MemoryDenyWriteExecute"));
    timer_queue_init(&render->stalls, &worker->timers, (uint64_t)config->service.idle_ms);
    timer_queue_init(&render->deadlines, &worker->timers, (uint64_t)config->request_deadline_ms);
    return 0;
}

static void stop(struct worker *worker)
{
    struct render *render = worker->app;

    live_destroy(render->live);
    gzip_destroy(render->gzip);
    bots_matcher_destroy(render->bots_matcher);
    read_queue_destroy(render->reads);
    ranking_reader_destroy(render->ranking);
    lanes_destroy(render->lanes);
    counter_client_destroy(render->client);
    timer_queue_fini(&render->stalls);
    timer_queue_fini(&render->deadlines);
    free(render);
}

int main(int argc, char **argv)
{
    const struct service service = {
        .name = "render-svc",
        .summary = "Counts every GET of every path through counter-svc and shows the counts.",
        .keys = service_keys(KEYS, "0.0.0.0:8080", "127.0.0.1:8090"),
        .config_size = sizeof(struct render_config),
        .metrics = render_metrics,
        .metrics_size = sizeof(struct render_metrics),
        .max_body_bytes = 65536, /* a POST to /-/hit/ may have a body, which is ignored */
        .check = check,
        .release = release,
        .start = start,
        .handle = render_handle,
        .routes = render_routes,
        .stop = stop,
    };

    return service_main(&service, argc, argv);
}
