/* The body of POST /v1/changes and the query of GET /v1/changes (proto/counter-api.yml). No I/O;
 * any thread.
 */
#ifndef COUNTER_CHANGES_CHANGE_H
#define COUNTER_CHANGES_CHANGE_H

#include "base/buffer.h"
#include "proto/path.h"

#include <stdbool.h>

/* The most rows of one change: hits wait while the rows are changed. */
#define CHANGE_MAX_ROWS 10000

/* The most moves of a normalisation; each changes at most two rows. */
#define CHANGE_MAX_MOVES (CHANGE_MAX_ROWS / 2)

/* The most paths of a merge, and the longest reason, in bytes. */
#define CHANGE_MAX_SOURCES   100
#define CHANGE_MAX_WHY_BYTES 1000

/* Returns whether a text can be the path of a hit: whether it is canonical. */
bool change_path_is_valid(const char *text, size_t len);

/* Reads the body of a request and appends the JSON that pathcount_change() takes: all known
 * members, each checked. Returns 0, or -1 with a sentence in `error` that is valid until the next
 * call in the same thread. */
int change_decode(const char *body, size_t len, struct buffer *to, const char **error)
    __attribute__((warn_unused_result));

/* A part of the audit trail. */
struct audit_query {
    char path[PATH_MAX_BYTES]; /* changes of this path */
    size_t path_len;           /* 0: of all paths */
    int64_t before;            /* changes with lower numbers */
    int64_t limit;             /* the most changes */
};

/* The most changes in one answer; each has up to 100 rows. */
#define AUDIT_MAX_CHANGES 20

/* Reads the query of a request, without its question mark ("": none). Returns 0, or -1 with a
 * sentence in `error`. */
int audit_query_parse(const char *query, size_t len, struct audit_query *audit, const char **error)
    __attribute__((warn_unused_result));

#endif
