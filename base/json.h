/* Parses untrusted JSON, for the decoders of api.h and detail.h. Any thread. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <jansson.h>
#include <stddef.h>

/* Parses one JSON object, to be freed with json_decref. Returns NULL with a sentence in `error` if
 * it is anything else. The library refuses numbers of more than 64 bits, doubled names, NUL
 * characters and invalid UTF-8. */
json_t *json_load_object(const char *json, size_t len, const char **error)
    __attribute__((warn_unused_result));

#endif
