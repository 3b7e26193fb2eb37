#include "server/ops/metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S 1000000000ULL

/* Upper bounds of the buckets; the last bucket has none. A commit takes between half a millisecond
 * and its deadline of some seconds. */
static const struct bound {
    uint64_t value;
    const char *text;
} SECONDS[] =
    {
        {500000, "0.0005"},  {1000000, "0.001"},  {2500000, "0.0025"}, {5000000, "0.005"},
        {10000000, "0.01"},  {25000000, "0.025"}, {50000000, "0.05"},  {100000000, "0.1"},
        {250000000, "0.25"}, {500000000, "0.5"},  {1000000000, "1"},   {2500000000, "2.5"},
        {5000000000, "5"},
},
  SIZES[] = {
      {1, "1"},   {2, "2"},     {4, "4"},     {8, "8"},     {16, "16"},     {32, "32"},
      {64, "64"}, {128, "128"}, {256, "256"}, {512, "512"}, {1024, "1024"},
};

#define N_SECONDS (sizeof(SECONDS) / sizeof(SECONDS[0]))
#define N_SIZES   (sizeof(SIZES) / sizeof(SIZES[0]))

_Static_assert(N_SECONDS < HISTOGRAM_BUCKETS && N_SIZES < HISTOGRAM_BUCKETS,
               "a histogram has a bucket for what is above all bounds");

const struct metric service_metrics[] = {
    {.name = "pathcount_connections",
     .type = METRIC_GAUGE,
     .offset = offsetof(struct service_metrics, connections),
     .help = "Open client connections."},
    {.name = "pathcount_connections_accepted_total",
     .type = METRIC_COUNTER,
     .offset = offsetof(struct service_metrics, connections_accepted),
     .help = "Accepted client connections."},
    {.name = "pathcount_unsent_bytes",
     .type = METRIC_GAUGE,
     .offset = offsetof(struct service_metrics, unsent_bytes),
     .help = "Response bytes not sent to clients yet."},
    {.name = NULL}};

/* --- counting --- */

static void add_to_bucket(struct histogram *histogram, const struct bound *bounds, size_t n_bounds,
                          uint64_t value)
{
    size_t i = 0;

    while (i < n_bounds && value > bounds[i].value)
        ++i;
    metric_add(&histogram->buckets[i], 1);
    metric_add(&histogram->sum, value);
}

void histogram_add_ns(struct histogram *histogram, uint64_t ns)
{
    add_to_bucket(histogram, SECONDS, N_SECONDS, ns);
}

void histogram_add_size(struct histogram *histogram, uint64_t size)
{
    add_to_bucket(histogram, SIZES, N_SIZES, size);
}

/* --- exposition --- */

/* The structs of all workers. */
struct workers {
    const void *const *structs;
    size_t count;
};

static uint64_t number_at(const void *worker, size_t offset)
{
    const atomic_uint_fast64_t *number =
        (const atomic_uint_fast64_t *)((const char *)worker + offset);

    return atomic_load_explicit(number, memory_order_relaxed);
}

static uint64_t sum_of(const struct workers *workers, size_t offset)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < workers->count; ++i)
        sum += number_at(workers->structs[i], offset);
    return sum;
}

static uint64_t highest_of(const struct workers *workers, size_t offset)
{
    uint64_t highest = 0;

    for (size_t i = 0; i < workers->count; ++i) {
        uint64_t number = number_at(workers->structs[i], offset);
        highest = number > highest ? number : highest;
    }
    return highest;
}

static void add_value(struct buffer *to, uint64_t value)
{
    buffer_add_literal(to, " ");
    buffer_add_int(to, (int64_t)value);
    buffer_add_literal(to, "\n");
}

/* Appends ` LABEL="VALUE"` in braces; values are constants without anything to escape. */
static void add_label(struct buffer *to, const char *label, const char *value)
{
    buffer_add_literal(to, "{");
    buffer_add_string(to, label);
    buffer_add_literal(to, "=\"");
    buffer_add_string(to, value);
    buffer_add_literal(to, "\"}");
}

void metrics_add_head(struct buffer *to, const char *name, const char *help, const char *type)
{
    buffer_add_literal(to, "# HELP ");
    buffer_add_string(to, name);
    buffer_add_literal(to, " ");
    buffer_add_string(to, help);
    buffer_add_literal(to, "\n# TYPE ");
    buffer_add_string(to, name);
    buffer_add_literal(to, " ");
    buffer_add_string(to, type);
    buffer_add_literal(to, "\n");
}

void metrics_add_gauge(struct buffer *to, const char *name, const char *help, uint64_t value)
{
    metrics_add_head(to, name, help, "gauge");
    buffer_add_string(to, name);
    add_value(to, value);
}

static void add_numbers(struct buffer *to, const struct metric *metric,
                        const struct workers *workers)
{
    static const char *const ONE[] = {"", NULL};
    const char *const *values = metric->label != NULL ? metric->values : ONE;

    metrics_add_head(to, metric->name, metric->help,
                     metric->type == METRIC_COUNTER ? "counter" : "gauge");
    for (size_t i = 0; values[i] != NULL; ++i) {
        buffer_add_string(to, metric->name);
        if (metric->label != NULL)
            add_label(to, metric->label, values[i]);
        add_value(to, sum_of(workers, metric->offset + i * sizeof(atomic_uint_fast64_t)));
    }
}

static void add_bucket(struct buffer *to, const char *name, const char *bound, uint64_t count)
{
    buffer_add_string(to, name);
    buffer_add_literal(to, "_bucket");
    add_label(to, "le", bound);
    add_value(to, count);
}

static void add_histogram(struct buffer *to, const struct metric *metric,
                          const struct workers *workers)
{
    bool seconds = metric->type == METRIC_SECONDS;
    const struct bound *bounds = seconds ? SECONDS : SIZES;
    size_t n_bounds = seconds ? N_SECONDS : N_SIZES;
    size_t buckets = metric->offset + offsetof(struct histogram, buckets);
    uint64_t count = 0, sum = sum_of(workers, metric->offset + offsetof(struct histogram, sum));
    char text[40];

    metrics_add_head(to, metric->name, metric->help, "histogram");
    for (size_t i = 0; i <= n_bounds; ++i) {
        count += sum_of(workers, buckets + i * sizeof(atomic_uint_fast64_t));
        add_bucket(to, metric->name, i < n_bounds ? bounds[i].text : "+Inf", count);
    }
    if (seconds)
        snprintf(text, sizeof(text), "_sum %llu.%09llu\n", (unsigned long long)(sum / NS_PER_S),
                 (unsigned long long)(sum % NS_PER_S));
    else
        snprintf(text, sizeof(text), "_sum %llu\n", (unsigned long long)sum);
    buffer_add_string(to, metric->name);
    buffer_add_string(to, text);
    buffer_add_string(to, metric->name);
    buffer_add_literal(to, "_count");
    add_value(to, count);
}

void metrics_add_table(struct buffer *to, const struct metric *table, const void *const *structs,
                       size_t n_workers)
{
    const struct workers workers = {structs, n_workers};

    for (const struct metric *metric = table; metric->name != NULL; ++metric) {
        uint64_t highest;
        switch (metric->type) {
        case METRIC_COUNTER:
        case METRIC_GAUGE:
            add_numbers(to, metric, &workers);
            break;
        case METRIC_HIGHEST:
            highest = highest_of(&workers, metric->offset);
            if (highest != 0)
                metrics_add_gauge(to, metric->name, metric->help, highest);
            break;
        case METRIC_SECONDS:
        case METRIC_SIZES:
            add_histogram(to, metric, &workers);
            break;
        }
    }
}

void metrics_add_requests(struct buffer *to, const char *const *routes, const void *const *structs,
                          size_t n_workers)
{
    const struct workers workers = {structs, n_workers};

    metrics_add_head(to, "pathcount_http_requests_total", "Requests by route and status.",
                     "counter");
    for (size_t route = 0; routes[route] != NULL; ++route) {
        for (size_t status = 0; status < METRICS_N_STATUSES; ++status) {
            uint64_t count =
                sum_of(&workers, offsetof(struct service_metrics, requests[route][status]));
            char text[128];
            if (count == 0)
                continue;
            snprintf(text, sizeof(text),
                     "pathcount_http_requests_total{route=\"%s\",status=\"%zu\"}", routes[route],
                     METRICS_FIRST_STATUS + status);
            buffer_add_string(to, text);
            add_value(to, count);
        }
    }
}
