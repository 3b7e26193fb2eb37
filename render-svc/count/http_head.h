/* The head of an answer from counter-svc, checked strictly: an answer that may belong to another
 * request, or whose length is not certain, is rejected. Any thread. */
#ifndef RENDER_COUNT_HTTP_HEAD_H
#define RENDER_COUNT_HTTP_HEAD_H

#include "proto/encoding.h"

#include <stdbool.h>
#include <stddef.h>

struct http_head {
    int status;
    size_t size;     /* of the head, in bytes */
    size_t body_len; /* in bytes */
    bool keep_alive;
    enum encoding encoding; /* of the body, by its Content-Type */
    enum encoding offered;  /* for the next requests, by Accept-Post */
};

/* Parses the `len` bytes that have arrived so far. The answer must echo `id` in X-Request-Id, have
 * exactly one Content-Length of at most API_MAX_ANSWER_BYTES, no Transfer-Encoding, and a head of
 * at most 16 KiB. Returns 1 if the head is complete, 0 if bytes are missing, or -1 with `*reason`,
 * a static text, if the answer is invalid. */
int http_head_parse(const char *bytes, size_t len, const char *id, struct http_head *head,
                    const char **reason) __attribute__((warn_unused_result));

#endif
