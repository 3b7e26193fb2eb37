#include "proto/message.h"

#include "base/json.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static struct value value_of_json(const json_t *json)
{
    if (json == NULL)
        return (struct value){.type = VALUE_NONE};
    switch (json_typeof(json)) {
    case JSON_NULL:
        return (struct value){.type = VALUE_NULL};
    case JSON_TRUE:
    case JSON_FALSE:
        return (struct value){.type = VALUE_BOOL, .number = json_is_true(json)};
    case JSON_INTEGER:
        return (struct value){.type = VALUE_INT, .number = json_integer_value(json)};
    case JSON_STRING:
        return (struct value){.type = VALUE_TEXT,
                              .size = (uint32_t)json_string_length(json),
                              .text = json_string_value(json)};
    case JSON_ARRAY:
        return (struct value){
            .type = VALUE_LIST, .size = (uint32_t)json_array_size(json), ._json = json};
    case JSON_OBJECT:
        return (struct value){
            .type = VALUE_MAP, .size = (uint32_t)json_object_size(json), ._json = json};
    case JSON_REAL:
        break;
    }
    return (struct value){.type = VALUE_OTHER};
}

static int read_json(struct message *message, const char *bytes, size_t len, const char **error)
{
    json_t *json = json_load_object(bytes, len, error);

    if (json == NULL)
        return -1;
    message->_json = json;
    message->root = value_of_json(json);
    return 0;
}

static int read_msgpack(struct message *message, const char *bytes, size_t len, const char **error)
{
    struct msgpack_values values;
    bool good;

    message->_bytes = memory_resize(NULL, len + 1);
    if (len != 0)
        memcpy(message->_bytes, bytes, len);
    good = msgpack_read(message->_bytes, len, &values, &message->root);
    message->_values = values.values;
    if (good && message->root.type == VALUE_MAP)
        return 0;
    *error = good ? "The body is not a MessagePack map." : "The body is not MessagePack.";
    message_free(message);
    return -1;
}

int message_read(struct message *message, const char *bytes, size_t len, enum encoding encoding,
                 const char **error)
{
    *message = (struct message){._encoding = encoding};
    return encoding == ENCODING_MSGPACK ? read_msgpack(message, bytes, len, error)
                                        : read_json(message, bytes, len, error);
}

void message_free(struct message *message)
{
    json_decref(message->_json);
    free(message->_bytes);
    free(message->_values);
    *message = (struct message){0};
}

struct value message_member(const struct message *message, struct value map, const char *name)
{
    size_t len = strlen(name);

    if (map.type != VALUE_MAP)
        return (struct value){.type = VALUE_NONE};
    if (message->_encoding == ENCODING_JSON)
        return value_of_json(json_object_get(map._json, name));
    for (const struct value *member = message->_values + map._first;
         member != message->_values + map._first + (size_t)map.size * 2; member += 2)
        if (member->size == len && memcmp(member->text, name, len) == 0)
            return member[1];
    return (struct value){.type = VALUE_NONE};
}

struct value message_json_item(struct value list, size_t i)
{
    return value_of_json(json_array_get(list._json, i));
}
