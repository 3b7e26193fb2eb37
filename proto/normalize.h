/* Normalisation: counts paths as one if they differ only in ways that the operator has declared
 * irrelevant. It is applied to canonical paths (path.h), and off unless a rule is set. Normalising
 * a path twice gives the same result as once.
 */
#ifndef PROTO_NORMALIZE_H
#define PROTO_NORMALIZE_H

#include <stdbool.h>
#include <stddef.h>

/* In the order in which they are applied. The last two are repeated until neither changes the
 * path. */
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

#endif
