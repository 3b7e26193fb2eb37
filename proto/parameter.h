/* The parameters of a query of the internal API: `name=value&…`, percent-encoded. Any thread. */
#ifndef PROTO_PARAMETER_H
#define PROTO_PARAMETER_H

#include <stddef.h>

/* A parameter, and the function that stores its percent-decoded value in `data`. The function
 * returns NULL, or a sentence about the error. */
struct parameter {
    const char *name;
    const char *(*read)(void *data, const char *value, size_t len);
};

/* The maximum of bytes of a value, percent-encoded. */
#define PARAMETER_MAX_BYTES ((size_t)16 * 1024)

/* Parses a query. Each parameter occurs at most once, and its percent-encoded value has at most
 * `max_bytes`, itself at most PARAMETER_MAX_BYTES. Returns NULL, or a sentence: `unknown` for a
 * parameter that is not among the `count` ones. */
const char *parameters_read(const char *query, size_t len, const struct parameter *parameters,
                            size_t count, size_t max_bytes, const char *unknown, void *data)
    __attribute__((warn_unused_result));

#endif
