/* The functions that the files of the log share. No other module includes it.
 *
 *   log.c        a line, from its event to its write
 *   log_limit.c  lines that are held back
 *   log_json.c   a line as JSON
 *   log_quote.c  one value, and the pairs of a line
 *
 * They pass lines to each other as text without a newline.
 */
#ifndef SERVER_OPS_LOG_PRIVATE_H
#define SERVER_OPS_LOG_PRIVATE_H

#include "server/ops/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Maximum bytes of a line with its newline. At most PIPE_BUF, so a pipe takes a whole line or
 * nothing. */
#define LOG_LINE_BYTES 2048
#define LOG_JSON_BYTES 4096

/* The first pairs of a line that summarises several. */
#define LOG_SUMMED_UP "repeated=%llu for_s=%llu"

/* A pair, as pointers into its line. The value includes its quotes. */
struct log_pair {
    const char *key;
    size_t key_len;
    const char *value;
    size_t value_len;
};

/* Reads the pair at `*at` and moves `*at` past it. Text that is not a pair belongs to the value
 * before it. Returns false at the end. */
bool log_next_pair(const char **at, const char *end, struct log_pair *pair);

/* Returns whether `format`, as given to log_event, or LOG_SUMMED_UP, writes the value of this pair
 * as an integer. */
bool log_is_number(const char *format, const struct log_pair *pair);

/* Writes the line as one JSON object without a newline, in at most `to_size` bytes, at least 64. If
 * a pair does not fit, it and all further ones are left out, and `"cut":true` is added, also if
 * `cut` says that the line was cut before. Invalid UTF-8 becomes U+FFFD. Returns the length. */
size_t log_to_json(const char *line, size_t len, const char *format, bool cut, char *to,
                   size_t to_size);

/* Decides whether a line is written. `pairs` is the text after its event. Returns true if the
 * caller must write it now; otherwise the line is held back. May write the summary of earlier lines
 * of its kind. */
bool log_admit(enum log_level level, const char *event, const char *format, const char *pairs,
               size_t pairs_len);

/* Writes a line at once: `pairs` as text. */
void log_write(enum log_level level, const char *event, const char *format, const char *pairs,
               size_t pairs_len);

#endif
