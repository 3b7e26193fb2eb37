/* The canonical path: what is counted, and under which name.
 *
 * A request target becomes a path in these steps:
 *  1. The query is cut off (RFC 3986, 3.4).
 *  2. Percent-escapes are decoded, once (2.1).
 *  3. What came out must be UTF-8 (RFC 3629) without NUL.
 *  4. Dot segments are removed (RFC 3986, 5.2.4), after the decoding, so that `%2e%2e` cannot hide
 *     one. Case, a trailing slash and empty segments (`//`) are kept.
 *  5. At most PATH_MAX_BYTES remain. (A row must fit a PostgreSQL index entry, 2,704 bytes.)
 *
 * What normalize.h does, if it is asked for, comes after that.
 *
 * A canonical path that is percent-encoded again and canonicalised is itself.
 */
#ifndef PROTO_PATH_H
#define PROTO_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_MAX_BYTES 2048

/* What the overflow row has in place of a path: the row in which the hits of paths are counted that
 * have none of their own, as there are as many paths as there may be. It is nobody's path: those
 * begin with a slash, which is behind it in byte order. */
#define PATH_OVERFLOW "(other paths)"

enum path_error {
    PATH_OK,
    PATH_NOT_ABSOLUTE, /* does not begin with a slash, or has a fragment */
    PATH_BAD_ESCAPE,   /* a percent sign without two hexadecimal digits */
    PATH_HAS_NUL,
    PATH_NOT_UTF8,
    PATH_TOO_LONG
};

/* Canonicalises the target of a request.
 *
 * `path` must have room for `target_len` bytes; it is not terminated. On PATH_OK `*path_len` is the
 * length of the path, otherwise neither is of use. Any thread. */
enum path_error path_canonicalize(const char *target, size_t target_len, char *path,
                                  size_t *path_len) __attribute__((warn_unused_result));

/* The same but for step 5: for what is longer than a path because it has one in it. */
enum path_error path_resolve(const char *target, size_t target_len, char *path, size_t *path_len)
    __attribute__((warn_unused_result));

/* Says in one sentence what is wrong, for whoever sent it. Not for PATH_OK. */
const char *path_error_text(enum path_error error);

/* Whether these bytes can be a canonical path: what counter-svc demands of every path that reaches
 * it. (It does not look for dot segments: they cannot hurt the ledger.) */
bool path_is_valid(const char *path, size_t len);

/* Whether it is the overflow row's. */
bool path_is_overflow(const char *path, size_t len);

/* Orders two paths by their bytes, as PostgreSQL's "C" collation does: below, equal to or above 0.
 */
int path_compare(const char *a, size_t a_len, const char *b, size_t b_len);

/* Whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong, at most
 * U+10FFFF). NUL passes. */
bool utf8_is_valid(const char *text, size_t len);

/* Decodes the percent-escapes of one URL component. `out` must have room for `len` bytes. Returns
 * false when an escape is not two hexadecimal digits. */
bool percent_decode(const char *text, size_t len, char *out, size_t *out_len)
    __attribute__((warn_unused_result));

#endif
