/* Reading JSON from strangers, for the decoders of api.h and detail.h. From any thread. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stddef.h>

/* Reads one JSON object, for json_decref to free. Numbers that do not fit 64 bits, doubled names, NUL
 * characters and text that is not UTF-8 are refused by the library. NULL, and in `error` one sentence,
 * when it is something else. */
json_t *json_load_object(const char *json, size_t len, const char **error)
    __attribute__((warn_unused_result));

#endif
