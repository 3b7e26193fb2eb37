/* What a service counts about itself, and how Prometheus reads it (text format 0.0.4).
 *
 * Each worker has a struct of numbers that it alone writes, so no lock and no locked instruction is
 * on a hit's way: a number is read and written with relaxed atomics, and the admin thread adds up
 * all workers' when it is asked. What it adds up is not of one moment: sums that belong together
 * may differ by what happens while it reads.
 *
 * One table for each program says what the numbers are: name, help, type, labels, and where in the
 * struct. Names are as Prometheus has them: base units, `_total` for what only grows, `_seconds`.
 * A label has a value out of a list that is in the table, so nobody from outside can make more.
 *
 * There is no library for this in Debian for C, and the format is a few lines.
 */
#ifndef SERVER_OPS_METRICS_H
#define SERVER_OPS_METRICS_H

#include "base/buffer.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The most routes of a program, and the HTTP statuses that are counted, from 200 on. */
#define METRICS_MAX_ROUTES   16
#define METRICS_FIRST_STATUS 200
#define METRICS_N_STATUSES   400

/* How many buckets a histogram has, the one without an upper bound among them. */
#define HISTOGRAM_BUCKETS 14

/* How often values were between two bounds, and their sum (seconds: in nanoseconds). */
struct histogram {
    atomic_uint_fast64_t buckets[HISTOGRAM_BUCKETS];
    atomic_uint_fast64_t sum;
};

/* What every worker counts; the first member of the program's own struct. */
struct service_metrics {
    atomic_uint_fast64_t connections;
    atomic_uint_fast64_t connections_accepted;
    atomic_uint_fast64_t unsent_bytes;
    atomic_uint_fast64_t requests[METRICS_MAX_ROUTES][METRICS_N_STATUSES];
};

enum metric_type {
    METRIC_COUNTER, /* an atomic_uint_fast64_t, the workers' are added up */
    METRIC_GAUGE,   /* the same, but it also falls */
    METRIC_HIGHEST, /* a gauge of which the workers' highest counts; left out while that is 0: not
                       known */
    METRIC_SECONDS, /* a struct histogram of durations */
    METRIC_SIZES    /* a struct histogram of numbers from 1 to 1,024 */
};

/* One family. Tables end with an entry whose name is NULL. */
struct metric {
    const char *name, *help;
    enum metric_type type;
    size_t offset;             /* in the worker's struct */
    const char *label;         /* NULL: none; otherwise there is a row of numbers… */
    const char *const *values; /* …with one for each of these, which end with NULL */
};

/* Change a number. From the thread of the worker that it belongs to. */
static inline void metric_add(atomic_uint_fast64_t *number, uint64_t by)
{
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + by,
                          memory_order_relaxed);
}
static inline void metric_subtract(atomic_uint_fast64_t *number, uint64_t by)
{
    metric_add(number, -by);
}
static inline void metric_set(atomic_uint_fast64_t *number, uint64_t to)
{
    atomic_store_explicit(number, to, memory_order_relaxed);
}

/* Notes a duration in nanoseconds; a number. From the same thread. */
void histogram_add_ns(struct histogram *histogram, uint64_t ns);
void histogram_add_size(struct histogram *histogram, uint64_t size);

/* --- exposition; any thread --- */

/* The type of its content. */
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The families of struct service_metrics but for the requests. */
extern const struct metric service_metrics[];

/* Append `# HELP` and `# TYPE`; a sample without labels. */
void metrics_add_head(struct buffer *to, const char *name, const char *help, const char *type);
void metrics_add_gauge(struct buffer *to, const char *name, const char *help, uint64_t value);

/* Appends the families of a table, each added up over `workers` structs. */
void metrics_add_table(struct buffer *to, const struct metric *table, const void *const *workers,
                       size_t n_workers);

/* Appends the requests by route and status; `routes` has the names, and ends with NULL. */
void metrics_add_requests(struct buffer *to, const char *const *routes, const void *const *workers,
                          size_t n_workers);

/* Appends what is known of the process itself, by the names that client libraries have for it:
 * memory, CPU, descriptors, and `started_s`, in seconds since 1970. Reads /proc/self/statm and
 * /proc/self/fd, getrusage and getrlimit; what cannot be read is left out. */
void metrics_add_process(struct buffer *to, int64_t started_s);

#endif
