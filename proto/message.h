/* Reads a message in either encoding: untyped values, which the decoders of api.h validate. The
 * message owns everything that its values point to. Any thread.
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include "proto/encoding.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_type {
    VALUE_NONE, /* there is no such member */
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_TEXT,
    VALUE_LIST,
    VALUE_MAP,
    VALUE_OTHER /* a number that is not an integer */
};

/* One value of a message. message_member and message_item find its parts. */
struct value {
    enum value_type type;
    uint32_t size; /* bytes of a text, items of a list, members of a map */
    union {
        int64_t number;    /* of VALUE_INT; of VALUE_BOOL 0 or 1 */
        const char *text;  /* not terminated */
        uint32_t _first;   /* of a list or map of MessagePack: the index of its first value */
        const void *_json; /* of a list or map of JSON: its json_t */
    };
};

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

/* Returns item `i` of a list, which must exist. */
struct value message_item(const struct message *message, struct value list, size_t i);

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

/* --- MessagePack, for message_read and its tests --- */

#define MSGPACK_DEPTH       32
#define MSGPACK_MAX_MEMBERS 32

/* The values of a message. The values of a list are consecutive, and so are those of a map: the
 * name of each member, then its value. */
struct msgpack_values {
    struct value *values; /* the caller frees it, also after an error */
    size_t used, capacity, limit;
};

/* Parses untrusted MessagePack of `len` bytes, less than 2^32, with the parser of msgpack-c
 * (msgpack/unpack_template.h). Texts point into these bytes. `root` is the outermost value. Returns
 * false if the bytes are not such a message.
 *
 * The parser checks every length against the end of the bytes, has its own stack of MSGPACK_DEPTH
 * levels, and allocates nothing. All values go into one array. The usual interface,
 * msgpack_unpack_next, allocates as many objects as a list claims to have: 137 GB for five bytes.
 * This function refuses a list or map that claims more values than there are bytes left.
 *
 * It accepts only values that JSON can express, so that both encodings have the same contract. It
 * refuses binary data, extensions, names that are not text or occur twice in a map, text that is
 * not UTF-8 or contains NUL, integers beyond int64_t, bytes after the message, more than
 * MSGPACK_DEPTH levels, and maps with more than MSGPACK_MAX_MEMBERS members. */
bool msgpack_read(const char *bytes, size_t len, struct msgpack_values *values, struct value *root)
    __attribute__((warn_unused_result));

#endif
