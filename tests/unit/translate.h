/* Translates a message to the other encoding with jansson and msgpack-c, without the code under
 * test. For unit tests and fuzzers. */
#ifndef TESTS_TRANSLATE_H
#define TESTS_TRANSLATE_H

#include "base/buffer.h"
#include "proto/message.h"

#include <jansson.h>
#include <msgpack.h>

static inline int translate_add(void *data, const char *bytes, size_t len)
{
    buffer_add(data, bytes, len);
    return 0;
}

/* Writes a JSON value as MessagePack. Returns false if it has more levels or members than a message
 * may have. */
static inline bool translate_json_value(msgpack_packer *to, json_t *value, unsigned levels)
{
    const char *name;
    json_t *part;
    size_t i;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        msgpack_pack_map(to, json_object_size(value));
        if (levels == 0 || json_object_size(value) > MSGPACK_MAX_MEMBERS)
            return false;
        json_object_foreach(value, name, part)
        {
            msgpack_pack_str_with_body(to, name, strlen(name));
            if (!translate_json_value(to, part, levels - 1))
                return false;
        }
        return true;
    case JSON_ARRAY:
        msgpack_pack_array(to, json_array_size(value));
        if (levels == 0)
            return false;
        json_array_foreach(value, i,
                           part) if (!translate_json_value(to, part, levels - 1)) return false;
        return true;
    case JSON_STRING:
        msgpack_pack_str_with_body(to, json_string_value(value), json_string_length(value));
        return true;
    case JSON_INTEGER:
        msgpack_pack_int64(to, json_integer_value(value));
        return true;
    case JSON_REAL:
        msgpack_pack_double(to, json_real_value(value));
        return true;
    case JSON_TRUE:
        msgpack_pack_true(to);
        return true;
    case JSON_FALSE:
        msgpack_pack_false(to);
        return true;
    case JSON_NULL:
        msgpack_pack_nil(to);
        return true;
    }
    return false;
}

/* Appends the JSON as MessagePack. Returns false if it is not JSON, or exceeds the limits of a
 * message. */
static inline bool msgpack_of_json(struct buffer *to, const char *json, size_t len)
{
    json_t *value = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
    msgpack_packer packer;
    bool good;

    msgpack_packer_init(&packer, to, translate_add);
    good = value != NULL && translate_json_value(&packer, value, MSGPACK_DEPTH);
    json_decref(value);
    return good;
}

/* Returns a MessagePack object as JSON, owned by the caller, or NULL if JSON cannot represent it.
 * Every floating-point number becomes 0.5. */
static inline json_t *translate_object(const msgpack_object *object)
{
    json_t *value = NULL, *part = NULL;
    char *name;

    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object->via.u64 <= INT64_MAX ? json_integer((json_int_t)object->via.u64) : NULL;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return json_real(0.5);
    case MSGPACK_OBJECT_STR:
        if (object->via.str.size == 0)
            return json_string("");
        if (memchr(object->via.str.ptr, '\0', object->via.str.size) != NULL)
            return NULL;
        return json_stringn(object->via.str.ptr,
                            object->via.str.size); /* NULL unless it is UTF-8 */
    case MSGPACK_OBJECT_ARRAY:
        value = json_array();
        for (uint32_t i = 0; i < object->via.array.size; ++i) {
            part = translate_object(&object->via.array.ptr[i]);
            if (json_array_append_new(value, part) != 0)
                goto refuse;
        }
        return value;
    case MSGPACK_OBJECT_MAP:
        value = json_object();
        for (uint32_t i = 0; i < object->via.map.size; ++i) {
            const msgpack_object *key = &object->via.map.ptr[i].key;
            json_t *text = translate_object(key);
            bool usable = json_is_string(text);
            name = usable ? strdup(json_string_value(text)) : NULL;
            json_decref(text);
            part = usable ? translate_object(&object->via.map.ptr[i].val) : NULL;
            usable = usable && json_object_get(value, name) == NULL;
            if (!usable)
                json_decref(part);
            usable = usable && json_object_set_new(value, name, part) == 0;
            free(name);
            if (!usable)
                goto refuse;
        }
        return value;
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        break;
    }
    return NULL;

refuse:
    json_decref(value);
    return NULL;
}

/* Appends the MessagePack as JSON. Returns false if it is not MessagePack, or JSON cannot represent
 * it. */
static inline bool json_of_msgpack(struct buffer *to, const char *bytes, size_t len)
{
    msgpack_unpacked unpacked;
    json_t *value = NULL;
    size_t read = 0;
    char *text;

    msgpack_unpacked_init(&unpacked);
    if (len != 0 && msgpack_unpack_next(&unpacked, bytes, len, &read) == MSGPACK_UNPACK_SUCCESS &&
        read == len)
        value = translate_object(&unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    if (value == NULL)
        return false;
    text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    buffer_add_string(to, text);
    free(text);
    return true;
}

#endif
