/* What the parts of the log share, and nobody else: log.c (a line, from its event to its write),
 * log_limit.c (what is held back), log_json.c (a line as JSON), log_quote.c (one value, and the
 * pairs of a line).
 *
 * A line without its newline, as text, is what goes from one to the other.
 */
#ifndef SERVER_OPS_LOG_PRIVATE_H
#define SERVER_OPS_LOG_PRIVATE_H

#include "server/ops/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With its newline. Less than PIPE_BUF, so that a pipe takes a line whole or not at all. */
#define LOG_LINE_BYTES 2048
#define LOG_JSON_BYTES 4096

/* How a line that stands for several begins. */
#define LOG_SUMMED_UP "repeated=%llu for_s=%llu"

/* A pair of a line, where it stands there; the value with its quotes. */
struct log_pair {
    const char *key;
    size_t key_len;
    const char *value;
    size_t value_len;
};

/* Reads the pair at `*at` and moves on. What is no pair belongs to the value in front of it. Returns
 * false at the end. */
bool log_next_pair(const char **at, const char *end, struct log_pair *pair);

/* Whether `format`, as given to log_event, or LOG_SUMMED_UP, writes this pair's
 * value as a whole number. */
bool log_is_number(const char *format, const struct log_pair *pair);

/* Writes the line as one JSON object, without a newline; at most `to_size` bytes, 64 at least.
 * Pairs that do not fit are left out, from the first of them on, which `"cut":true` tells; so does
 * `cut`: the line has been cut before. What is not UTF-8 becomes U+FFFD. Returns the length. */
size_t log_to_json(const char *line, size_t len, const char *format, bool cut, char *to,
                   size_t to_size);

/* Decides about a line: `pairs` are what stands behind its event. Returns whether it shall be
 * written now; otherwise it is held back. May write what was held back of its kind before. */
bool log_admit(enum log_level level, const char *event, const char *format, const char *pairs,
               size_t pairs_len);

/* Writes a line at once: `pairs` as text. */
void log_write(enum log_level level, const char *event, const char *format, const char *pairs,
               size_t pairs_len);

#endif
