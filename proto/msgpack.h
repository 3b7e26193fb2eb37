/* Parses untrusted MessagePack for message.h, with the parser of msgpack-c
 * (msgpack/unpack_template.h).
 *
 * The parser checks every length against the end of the bytes, has its own stack of MSGPACK_DEPTH
 * levels, and allocates nothing. All values go into one array. The usual interface,
 * msgpack_unpack_next, allocates as many objects as a list claims to have: 137 GB for five bytes.
 * This module refuses a list or map that claims more values than there are bytes left.
 *
 * It accepts only values that JSON can express, so that both encodings have the same contract. It
 * refuses binary data, extensions, names that are not text or occur twice in a map, text that is
 * not UTF-8 or contains NUL, integers beyond int64_t, bytes after the message, more than
 * MSGPACK_DEPTH levels, and maps with more than MSGPACK_MAX_MEMBERS members.
 */
#ifndef PROTO_MSGPACK_H
#define PROTO_MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSGPACK_DEPTH       32
#define MSGPACK_MAX_MEMBERS 32

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

/* One value of a message. */
struct value {
    enum value_type type;
    uint32_t size; /* bytes of a text, items of a list, members of a map */
    union {
        int64_t number;    /* of VALUE_INT; of VALUE_BOOL 0 or 1 */
        const char *text;  /* not terminated */
        uint32_t _first;   /* of a list or map: the index of its first value in msgpack_values */
        const void *_json; /* of a list or map of JSON: its json_t */
    };
};

/* The values of a message. The values of a list are consecutive, and so are those of a map: the
 * name of each member, then its value. */
struct msgpack_values {
    struct value *values; /* the caller frees it, also after an error */
    size_t used, capacity, limit;
};

/* Parses a message of `len` bytes, less than 2^32. Texts point into these bytes. `root` is the
 * outermost value. Returns false if the message is not MessagePack as described above. Any
 * thread. */
bool msgpack_read(const char *bytes, size_t len, struct msgpack_values *values, struct value *root)
    __attribute__((warn_unused_result));

#endif
