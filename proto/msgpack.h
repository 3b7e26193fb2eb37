/* Reading MessagePack from strangers, on the parser of msgpack-c (msgpack/unpack_template.h), for
 * message.h.
 *
 * The parser checks every length against the end of the bytes, keeps its own stack of MSGPACK_DEPTH
 * levels and allocates nothing; what it finds goes into one array of values. Its usual interface,
 * msgpack_unpack_next, allocates as many objects as a list claims to have: 137 GB for five bytes.
 * Here a list or map that claims more values than there are bytes left is refused.
 *
 * Only what JSON could say is taken, so that both encodings have one contract. Refused are binary data,
 * extensions, names that are not text or stand twice in their map, text that is not UTF-8 or holds NUL,
 * whole numbers beyond int64_t, bytes behind the message, more than MSGPACK_DEPTH levels, and maps with
 * more than MSGPACK_MAX_MEMBERS members.
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
    VALUE_OTHER /* a number that is not whole */
};

/* One value of a message. */
struct value {
    enum value_type type;
    uint32_t size; /* bytes of a text, items of a list, members of a map */
    union {
        int64_t number;    /* of VALUE_INT; of VALUE_BOOL 0 or 1 */
        const char *text;  /* not terminated */
        uint32_t _first;   /* of a list or map: where its values begin in msgpack_values */
        const void *_json; /* the same of a JSON message: its json_t */
    };
};

/* The values of a message. Those of a list stand together, and so do those of a map: each member's name,
 * then its value. */
struct msgpack_values {
    struct value *values; /* to be freed, whether reading succeeds or not */
    size_t used, capacity, limit;
};

/* Reads a message of `len` bytes, less than 2^32, which texts point into. Returns false when it is not
 * MessagePack as described above; `root` is the outermost value. Any thread. */
bool msgpack_read(const char *bytes, size_t len, struct msgpack_values *values, struct value *root)
    __attribute__((warn_unused_result));

#endif
