/* The trace of a request, which connects the log lines of several programs: W3C Trace Context,
 * level 1 (https://www.w3.org/TR/trace-context-1/).
 *
 * A request with a valid `traceparent` belongs to that trace. Any other request begins one. A trace
 * that is taken over is validated strictly: it contains only hexadecimal digits. `tracestate` is
 * for programs that record traces. These services do not, and do not pass it on.
 *
 * Ids come from a generator of the thread, which the kernel seeds once. They are unique but not
 * secret. Any thread.
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
    bool sampled;              /* the program that began it records it */
};

/* Begins a trace. */
void trace_begin(struct trace *trace);

/* Takes over the trace of the value of a `traceparent` header. Returns false and does not change
 * `trace` if the value is invalid (3.2: version 00, or a higher version that begins in the same
 * way). */
bool trace_take(struct trace *trace, const char *value, size_t len);

/* Writes the value of the `traceparent` header of a request to counter-svc, and a NUL. `parent` is
 * the id of that request: 16 lower-case hexadecimal digits, not all zero. */
void trace_write(const struct trace *trace, const char *parent, char header[TRACE_HEADER_LEN + 1]);

#endif
