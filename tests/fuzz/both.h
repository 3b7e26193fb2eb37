/* Reads an input in each of the two encodings, and its translation into the other one. Both must be
 * accepted, or refused with the same sentence.
 */
#ifndef TESTS_FUZZ_BOTH_H
#define TESTS_FUZZ_BOTH_H

#include "proto/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/translate.h"

/* Reads a body and checks the result. Returns NULL, or the sentence with which it was refused. */
typedef const char *(*read_function)(const char *body, size_t len, enum encoding encoding);

static inline bool is_message(const char *body, size_t len, enum encoding encoding)
{
    const char *error = NULL;
    struct message message;

    if (message_read(&message, body, len, encoding, &error) != 0) {
        MUST(error != NULL);
        return false;
    }
    message_free(&message);
    return true;
}

static inline void check_translation(const char *said, const struct buffer *body,
                                     enum encoding encoding, read_function read)
{
    const char *also = read(body->bytes, body->len, encoding);

    MUST((said == NULL) == (also == NULL));
    MUST(said == NULL || strcmp(said, also) == 0);
}

/* Returns whether msgpack-c itself can read the body: for a list or map with a 32-bit length it would
 * allocate the claimed length. */
static inline bool is_modest(const char *body, size_t len)
{
    return len != 0 && memchr(body, 0xDD, len) == NULL && memchr(body, 0xDF, len) == NULL;
}

static inline void check_both(const char *body, size_t len, read_function read)
{
    const char *said_of_json = read(body, len, ENCODING_JSON);
    const char *said_of_msgpack = read(body, len, ENCODING_MSGPACK);
    bool is_msgpack = is_message(body, len, ENCODING_MSGPACK);
    struct buffer json = {0}, msgpack = {0};

    if (is_message(body, len, ENCODING_JSON) && msgpack_of_json(&msgpack, body, len))
        check_translation(said_of_json, &msgpack, ENCODING_MSGPACK, read);
    msgpack.len = 0;
    if (is_msgpack || is_modest(body, len)) {
        bool is_json = json_of_msgpack(&json, body, len) && json.bytes[0] == '{' &&
                       msgpack_of_json(&msgpack, json.bytes, json.len);
        MUST(is_json == is_msgpack);
        if (is_json)
            check_translation(said_of_msgpack, &json, ENCODING_JSON, read);
    }
    buffer_free(&json);
    buffer_free(&msgpack);
}

#endif
