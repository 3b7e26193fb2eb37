/* The query of GET /v1/history:
 *
 *     path=PATH       of this path, or of the overflow row; default: of all paths together
 *     unit=hour|day   (default: day)
 *     from=TIME       the first hour or day: a date, or a time as RFC 3339 has it
 *     to=TIME         the last one
 */
#ifndef COUNTER_READ_HISTORY_QUERY_H
#define COUNTER_READ_HISTORY_QUERY_H

#include "proto/path.h"

#include <stdbool.h>

#define HISTORY_TIME_BYTES 64

/* A text of length 0 is not given. The times are as the client wrote them: PostgreSQL reads
 * them. */
struct history_query {
    bool by_hour;
    size_t path_len, from_len, to_len;
    char path[PATH_MAX_BYTES];
    char from[HISTORY_TIME_BYTES], to[HISTORY_TIME_BYTES];
};

/* Reads the query of a request, without its question mark ("": none). Unknown or repeated
 * parameters are errors. Returns 0, or -1 with a sentence in `error`. */
int history_query_parse(const char *text, size_t len, struct history_query *query,
                        const char **error) __attribute__((warn_unused_result));

#endif
