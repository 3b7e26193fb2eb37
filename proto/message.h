/* A message as it was received, in either encoding: values to look at, which api.h's decoders judge. The
 * message owns all that its values point to. From any thread.
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

/* Reads a body, which may be gone afterwards. Returns 0, and the message is to be freed; or -1 with a
 * sentence in `error`, and there is nothing to free. */
int message_read(struct message *message, const char *bytes, size_t len, enum encoding encoding,
                 const char **error) __attribute__((warn_unused_result));

/* Takes one of all zero, and leaves it so. */
void message_free(struct message *message);

/* For decoders: stores why a message is wrong, a constant sentence, and returns -1. */
static inline int message_fail(const char **error, const char *sentence)
{
    *error = sentence;
    return -1;
}

/* The member with this name, of type VALUE_NONE when there is none or `map` is not a map. */
struct value message_member(const struct message *message, struct value map, const char *name);

/* Item `i` of a list of JSON. */
struct value message_json_item(struct value list, size_t i);

/* Item `i` of a list, which must have it. */
static inline struct value message_item(const struct message *message, struct value list, size_t i)
{
    return message->_encoding == ENCODING_JSON ? message_json_item(list, i)
                                               : message->_values[list._first + i];
}

/* How many items a list has; 0 for anything else. */
static inline size_t value_items(struct value value)
{
    return value.type == VALUE_LIST ? value.size : 0;
}

/* Whether the value is a whole number from `least` to `most`, which is put into `number`. */
static inline bool value_is_int(struct value value, int64_t least, int64_t most, int64_t *number)
{
    if (value.type != VALUE_INT || value.number < least || value.number > most)
        return false;
    *number = value.number;
    return true;
}

#endif
