/* A change of counts as a client asks for it: POST /v1/changes in proto/counter-api.yml. No I/O;
 * any thread.
 */
#ifndef COUNTER_CHANGES_CHANGE_H
#define COUNTER_CHANGES_CHANGE_H

#include "base/buffer.h"
#include "proto/path.h"

#include <stdbool.h>

/* The most rows that one change may have: hits wait while they are changed. */
#define CHANGE_MAX_ROWS 10000

/* The most moves of a normalisation: each changes two rows at most. */
#define CHANGE_MAX_MOVES (CHANGE_MAX_ROWS / 2)

/* The most paths that are merged at once, and the longest reason, in bytes. */
#define CHANGE_MAX_SOURCES   100
#define CHANGE_MAX_WHY_BYTES 1000

/* Whether a text is a path that a hit can have: it is its own canonical form. */
bool change_path_is_valid(const char *text, size_t len);

/* Reads the body of a request and appends what pathcount_change() takes: the members that are
 * known, each of them checked. Returns 0, or -1 with a sentence in `error`, which is good until the
 * next call in the same thread. */
int change_decode(const char *body, size_t len, struct buffer *to, const char **error)
    __attribute__((warn_unused_result));

/* Which part of the audit trail is wanted. */
struct audit_query {
    char path[PATH_MAX_BYTES]; /* of this path alone */
    size_t path_len;           /* 0: of all */
    int64_t before;            /* below this change */
    int64_t limit;             /* how many changes at most */
};

/* The most changes of one answer: each has up to 100 rows. */
#define AUDIT_MAX_CHANGES 20

/* Reads the query of a request, without its question mark ("" for none). Returns 0, or -1 with a
 * sentence in `error`. */
int audit_query_parse(const char *query, size_t len, struct audit_query *audit, const char **error)
    __attribute__((warn_unused_result));

#endif
