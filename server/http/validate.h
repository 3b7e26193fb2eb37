/* Strictness about HTTP/1.1, where libh2o is not: what two programs on a request's way might
 * understand differently is refused, and the connection closed, before any handler sees it.
 *
 * When a handler runs, the head of its request still stands at the start of what was read from the
 * socket, as it came but for the case of its names: libh2o takes it away after the answer. So it is
 * looked over once more, for what the parser of 2.2.5 lets through:
 *   400  a line that ends with a bare LF; a folded line; a method that is no token; a target that is
 *        no path (but for `OPTIONS *`); no Host or several, or one that is none; several
 *        Content-Length, several Transfer-Encoding, both together, or the latter in HTTP/1.0
 *   411  Transfer-Encoding: libh2o decodes chunks in place and is lenient about their framing, which
 *        nobody can look over afterwards; RFC 9112, 6.3 allows to insist on a Content-Length
 *   414  a target that is too long
 *   431  a head that is too long
 *
 * What libh2o refuses by itself (NUL and other control characters, a space before a colon, numbers
 * that are none, more than 100 header lines, …) is not looked for again: docs/limits.md tells.
 */
#ifndef SERVER_HTTP_VALIDATE_H
#define SERVER_HTTP_VALIDATE_H

#include <stddef.h>

struct head_limits {
    size_t target_bytes; /* of the request's target, path and query as they came */
    size_t head_bytes;   /* of the request line and headers, with the empty line at their end */
};

/* Why a request is refused. */
struct head_fault {
    int status;
    const char *detail; /* a sentence */
};

/* Looks over the head at the start of `bytes`, which libh2o has parsed without an error. Returns NULL
 * when it is right, else what is wrong with it first. */
const struct head_fault *validate_head(const char *bytes, size_t len,
                                       const struct head_limits *limits);

#endif
