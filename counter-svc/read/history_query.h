/* Which history is wanted, as the query of GET /v1/history carries it:
 *
 *     path=PATH       of this path, or of the overflow row; left out: of all paths together
 *     unit=hour|day   (default: day)
 *     from=TIME       the first hour or day: a date, or a time as RFC 3339 has it
 *     to=TIME         the last one
 */
#ifndef COUNTER_READ_HISTORY_QUERY_H
#define COUNTER_READ_HISTORY_QUERY_H

#include "proto/path.h"

#include <stdbool.h>

#define HISTORY_TIME_BYTES 64

/* Texts of length 0 were left out. The times are as they were given: PostgreSQL reads them. */
struct history_query {
    bool by_hour;
    size_t path_len, from_len, to_len;
    char path[PATH_MAX_BYTES];
    char from[HISTORY_TIME_BYTES], to[HISTORY_TIME_BYTES];
};

/* Reads the query of a request, without its question mark ("" for none). Unknown or doubled parameters
 * are errors. Returns 0, or -1 with a sentence in `error`. */
int history_query_parse(const char *text, size_t len, struct history_query *query,
                        const char **error) __attribute__((warn_unused_result));

#endif
