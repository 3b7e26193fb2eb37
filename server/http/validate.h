/* Strict checks of HTTP/1.1 where libh2o is lenient. If two programs on the way of a request might
 * interpret its head differently, the request is refused and the connection closed, before a
 * handler gets it.
 *
 * When a handler runs, the bytes of the head are still in the socket's input buffer. libh2o has
 * only changed the names of headers to lower case. This module checks the head again for errors
 * that the parser of libh2o 2.2.5 accepts:
 *   400  a line that ends with a bare LF; a folded line; a method that is not a token; a target
 *        that is not a path (except `OPTIONS *`); no Host, several, or an invalid one; several
 *        Content-Length, several Transfer-Encoding, both together, or the latter in HTTP/1.0
 *   411  Transfer-Encoding: libh2o decodes chunks in place and leniently, so their framing cannot
 *        be checked afterwards. RFC 9112, 6.3 allows a server to require a Content-Length
 *   414  a target that is too long
 *   431  a head that is too long
 *
 * libh2o itself refuses other errors, such as control characters, a space before a colon, invalid
 * numbers, or more than 100 header lines. docs/limits.md lists them.
 */
#ifndef SERVER_HTTP_VALIDATE_H
#define SERVER_HTTP_VALIDATE_H

#include <stddef.h>

struct head_limits {
    size_t target_bytes; /* maximum of the request's target: path and query, still encoded */
    size_t head_bytes;   /* maximum of the request line and headers, with the final empty line */
};

/* Why a request is refused. */
struct head_fault {
    int status;
    const char *detail; /* a sentence */
};

/* Checks the head at the start of `bytes`, which libh2o has parsed without an error. Returns NULL
 * if it is valid, otherwise its first error. */
const struct head_fault *validate_head(const char *bytes, size_t len,
                                       const struct head_limits *limits);

#endif
