/* The canonical path: the name under which hits are counted.
 *
 * A request target becomes a path in these steps:
 *  1. Cut off the query (RFC 3986, 3.4).
 *  2. Decode percent-escapes, once (2.1).
 *  3. Reject a result that is not UTF-8 (RFC 3629), or that contains NUL.
 *  4. Remove dot segments (RFC 3986, 5.2.4). This comes after the decoding, so that `%2e%2e` cannot
 *     hide one. Case, a trailing slash and empty segments (`//`) stay.
 *  5. Reject a path of more than PATH_MAX_BYTES, so that a row fits an index entry of PostgreSQL
 *     (2,704 bytes).
 *
 * The rules of normalisation (below), if any is set, apply afterwards.
 *
 * A canonical path that is percent-encoded and canonicalised again does not change.
 */
#ifndef PROTO_PATH_H
#define PROTO_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define PATH_MAX_BYTES 2048

/* The path of the overflow row, which counts the hits of paths without a row once max_paths is
 * reached. It is not a canonical path: those begin with a slash, which comes after it in byte
 * order. */
#define PATH_OVERFLOW "(other paths)"

/* Sorts after every path, in byte order: the character after the slash. */
#define PATH_ABOVE_ALL "0"

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
 * `path` must have room for `target_len` bytes and is not terminated. On PATH_OK `*path_len` is its
 * length; otherwise both are undefined. Any thread. */
enum path_error path_canonicalize(const char *target, size_t target_len, char *path,
                                  size_t *path_len) __attribute__((warn_unused_result));

/* The same without step 5, for targets that contain a path and are longer than a path. */
enum path_error path_resolve(const char *target, size_t target_len, char *path, size_t *path_len)
    __attribute__((warn_unused_result));

/* Returns a sentence about the error for the client. Not for PATH_OK. */
const char *path_error_text(enum path_error error);

/* Returns whether these bytes can be a canonical path. counter-svc requires this of every path that
 * it receives. (Dot segments are not checked: they do no harm in the ledger.) */
bool path_is_valid(const char *path, size_t len);

/* Returns whether it is the path of the overflow row. */
bool path_is_overflow(const char *path, size_t len);

/* Compares two paths by their bytes, like PostgreSQL's collation "C". Returns a number below, equal
 * to or above 0. */
int path_compare(const char *a, size_t a_len, const char *b, size_t b_len);

/* --- normalisation --- */

/* Normalisation: counts paths as one if they differ only in ways that the operator has declared
 * irrelevant. It is applied to canonical paths, and off unless a rule is set. Normalising a path
 * twice gives the same result as once.
 *
 * The rules are in the order in which they are applied. The last two are repeated until neither
 * changes the path. */
struct path_rules {
    bool lower_case;       /* each character for itself (Unicode's simple mapping) */
    bool collapse_slashes; /* several slashes in a row become one */
    bool strip_index;      /* /a/index.html is /a/ */
    bool strip_slash;      /* /a/ is /a; but / stays */
};

/* The maximum of bytes of a normalised path of `len` bytes: lower case may need more than upper
 * case. */
#define NORMALIZED_BYTES(len) ((len) + (len) / 2)

/* Returns whether any rule is set. */
bool path_rules_are_set(const struct path_rules *rules);

/* Normalises a path, valid UTF-8 that begins with a slash. `out` has room for
 * NORMALIZED_BYTES(len). Returns the length of the result, at least 1. Any thread. */
size_t path_normalize(const struct path_rules *rules, const char *path, size_t len, char *out);

/* The same for the beginning of a path, without the last two rules, which change the end of a
 * path. */
size_t path_normalize_prefix(const struct path_rules *rules, const char *prefix, size_t len,
                             char *out);

/* --- the encoding of a path --- */

/* Returns whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at
 * most U+10FFFF). NUL is valid. */
bool utf8_is_valid(const char *text, size_t len);

/* Decodes the percent-escapes of one URL component. `out` must have room for `len` bytes. Returns
 * false if an escape is not two hexadecimal digits. */
bool percent_decode(const char *text, size_t len, char *out, size_t *out_len)
    __attribute__((warn_unused_result));

#endif
