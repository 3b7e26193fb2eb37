/* Metrics, and their exposition for Prometheus (text format 0.0.4).
 *
 * Each worker has a struct of numbers that only it writes, so counting a hit takes no lock and no
 * atomic read-modify-write: numbers are loaded and stored with relaxed atomics. The admin thread
 * adds up the numbers of all workers on request. They are not a snapshot of one moment: numbers
 * that belong together may differ by the events during the read.
 *
 * One table for each program describes the numbers: name, help, type, labels, and the offset in the
 * struct. Names follow Prometheus: base units, `_total` for counters, `_seconds`. The values of a
 * label are listed in the table, so no client can create new ones.
 *
 * Debian has no such library for C, and the format is a few lines.
 */
#ifndef SERVER_OPS_METRICS_H
#define SERVER_OPS_METRICS_H

#include "base/buffer.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The maximum of routes of a program, and the HTTP statuses that are counted, from 200 on. */
#define METRICS_MAX_ROUTES   16
#define METRICS_FIRST_STATUS 200
#define METRICS_N_STATUSES   400

/* The number of buckets of a histogram, with the one that has no upper bound. */
#define HISTOGRAM_BUCKETS 14

/* The number of values between two bounds, and the sum of all values. Durations are in
 * nanoseconds. */
struct histogram {
    atomic_uint_fast64_t buckets[HISTOGRAM_BUCKETS];
    atomic_uint_fast64_t sum;
};

/* The metrics of each worker in both services; the first member of the program's own struct. */
struct service_metrics {
    atomic_uint_fast64_t connections;
    atomic_uint_fast64_t connections_accepted;
    atomic_uint_fast64_t unsent_bytes;
    atomic_uint_fast64_t requests[METRICS_MAX_ROUTES][METRICS_N_STATUSES];
};

enum metric_type {
    METRIC_COUNTER, /* an atomic_uint_fast64_t; those of all workers are added up */
    METRIC_GAUGE,   /* the same, but it also falls */
    METRIC_HIGHEST, /* a gauge: the highest of all workers; left out while it is 0, that is, not
                       known */
    METRIC_SECONDS, /* a struct histogram of durations */
    METRIC_SIZES    /* a struct histogram of numbers from 1 to 1,024 */
};

/* One family. Tables end with an entry whose name is NULL. */
struct metric {
    const char *name, *help;
    enum metric_type type;
    size_t offset;             /* in the worker's struct */
    const char *label;         /* NULL: none; otherwise the struct has an array of numbers */
    const char *const *values; /* of the label, ending with NULL: one for each number */
};

/* Change a number. From the thread of its worker. */
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

/* Add a duration in nanoseconds; a size. From the same thread. */
void histogram_add_ns(struct histogram *histogram, uint64_t ns);
void histogram_add_size(struct histogram *histogram, uint64_t size);

/* --- exposition; any thread --- */

/* The Content-Type of the exposition. */
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The families of struct service_metrics, without the requests. */
extern const struct metric service_metrics[];

/* Append `# HELP` and `# TYPE`; append these and one sample without labels. */
void metrics_add_head(struct buffer *to, const char *name, const char *help, const char *type);
void metrics_add_gauge(struct buffer *to, const char *name, const char *help, uint64_t value);

/* Appends the families of a table, each added up over `workers` structs. */
void metrics_add_table(struct buffer *to, const struct metric *table, const void *const *workers,
                       size_t n_workers);

/* Appends the requests by route and status. `routes` has the names, and ends with NULL. */
void metrics_add_requests(struct buffer *to, const char *const *routes, const void *const *workers,
                          size_t n_workers);

/* Appends the metrics of the process, under the names that Prometheus's client libraries use:
 * memory, CPU, descriptors, and `started_s`, in seconds since 1970. Reads /proc/self/statm,
 * /proc/self/fd, getrusage and getrlimit. Metrics that cannot be read are left out. */
void metrics_add_process(struct buffer *to, int64_t started_s);

#endif
