/* Which trace a request belongs to, so that what several programs say about it can be brought
 * together: W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context-1/).
 *
 * A request that bears a `traceparent` belongs to that trace; for any other one is begun. What is
 * taken over is looked over strictly, and is nothing but hexadecimal digits. `tracestate` is for
 * programs that record traces; this one does not, and does not pass it on.
 *
 * Ids are drawn from a generator of the thread's own, which the kernel seeds once: they are unique,
 * and no secret. Any thread.
 */
#ifndef SERVER_OPS_TRACE_H
#define SERVER_OPS_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#define TRACE_ID_LEN     32
#define TRACE_PARENT_LEN 16

/* Length of a `traceparent` of version 00. */
#define TRACE_HEADER_LEN 55

struct trace {
    char id[TRACE_ID_LEN + 1]; /* lower-case hexadecimal, never all zero */
    bool sampled;              /* whoever began it records it */
};

/* Begins a trace. */
void trace_begin(struct trace *trace);

/* Takes over the trace of a `traceparent` header's value. Returns false, and leaves `trace` alone,
 * when that is not a valid one (3.2: version 00, or a higher one that begins as 00 does). */
bool trace_take(struct trace *trace, const char *value, size_t len);

/* Writes the value of a `traceparent` for a request of ours, and a NUL. `parent` is the id of that
 * very request: 16 lower-case hexadecimal digits, not all zero. */
void trace_write(const struct trace *trace, const char *parent, char header[TRACE_HEADER_LEN + 1]);

#endif
