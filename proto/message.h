/* A received message in either encoding: untyped values, which the decoders of api.h validate. The
 * message owns everything that its values point to. Any thread.
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include "proto/encoding.h"
#include "proto/msgpack.h"

struct message {
    struct value root; /* always a map */
    enum encoding _encoding;
    void *_json;           /* of JSON: a json_t */
    char *_bytes;          /* of MessagePack: a copy of the body, which texts point into */
    struct value *_values; /* of MessagePack */
};

/* Parses a body, which is not needed afterwards. Returns 0, and the caller frees the message; or -1
 * with a sentence in `error` and nothing to free. */
int message_read(struct message *message, const char *bytes, size_t len, enum encoding encoding,
                 const char **error) __attribute__((warn_unused_result));

/* Frees a message, and zeroes it. Takes a zeroed one. */
void message_free(struct message *message);

/* For decoders: stores why a message is wrong, a constant sentence, and returns -1. */
static inline int message_fail(const char **error, const char *sentence)
{
    *error = sentence;
    return -1;
}

/* Returns the member with this name; of type VALUE_NONE if there is none, or if `map` is not a
 * map. */
struct value message_member(const struct message *message, struct value map, const char *name);

/* Returns item `i` of a list of JSON. */
struct value message_json_item(struct value list, size_t i);

/* Returns item `i` of a list, which must exist. */
static inline struct value message_item(const struct message *message, struct value list, size_t i)
{
    return message->_encoding == ENCODING_JSON ? message_json_item(list, i)
                                               : message->_values[list._first + i];
}

/* Returns the number of items of a list; 0 for any other value. */
static inline size_t value_items(struct value value)
{
    return value.type == VALUE_LIST ? value.size : 0;
}

/* Returns whether the value is an integer from `least` to `most`, and stores it in `number`. */
static inline bool value_is_int(struct value value, int64_t least, int64_t most, int64_t *number)
{
    if (value.type != VALUE_INT || value.number < least || value.number > most)
        return false;
    *number = value.number;
    return true;
}

#endif
