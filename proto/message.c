#include "proto/message.h"

#include "base/json.h"
#include "base/memory.h"
#include "proto/path.h"

#include <msgpack/unpack.h>
#include <msgpack/unpack_define.h>
#include <stdlib.h>
#include <string.h>

/* --- JSON --- */

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

/* --- MessagePack --- */

_Static_assert(MSGPACK_DEPTH == MSGPACK_EMBED_STACK_SIZE, "the parser's stack has these levels");

/* The parser is a template. These macros set the names of its functions and the type of its data. A
 * callback returns 0, or MSGPACK_UNPACK_PARSE_ERROR to refuse the message. */
#define msgpack_unpack_struct(name)     struct parser##name
#define msgpack_unpack_func(type, name) static inline type parser##name
#define msgpack_unpack_callback(name)   on##name
#define msgpack_unpack_object           struct value
#define msgpack_unpack_user             struct msgpack_values *

static inline struct value on_root(struct msgpack_values **values)
{
    (void)values;
    return (struct value){.type = VALUE_NONE};
}

/* --- MessagePack: values without parts --- */

static inline int take_int(int64_t number, struct value *value)
{
    *value = (struct value){.type = VALUE_INT, .number = number};
    return 0;
}

/* A callback for each width of an integer in MessagePack. */
#define ON_INT(name, number_type)                                                                  \
    static inline int on_##name(struct msgpack_values **values, number_type number,                \
                                struct value *value)                                               \
    {                                                                                              \
        (void)values;                                                                              \
        return take_int(number, value);                                                            \
    }

ON_INT(uint8, uint8_t)
ON_INT(uint16, uint16_t)
ON_INT(uint32, uint32_t)
ON_INT(int8, int8_t)
ON_INT(int16, int16_t)
ON_INT(int32, int32_t)
ON_INT(int64, int64_t)

static inline int on_uint64(struct msgpack_values **values, uint64_t number, struct value *value)
{
    (void)values;
    return number <= INT64_MAX ? take_int((int64_t)number, value) : MSGPACK_UNPACK_PARSE_ERROR;
}

static inline int on_double(struct msgpack_values **values, double number, struct value *value)
{
    (void)values;
    (void)number;
    *value = (struct value){.type = VALUE_OTHER};
    return 0;
}

static inline int on_float(struct msgpack_values **values, float number, struct value *value)
{
    return on_double(values, (double)number, value);
}

static inline int on_nil(struct msgpack_values **values, struct value *value)
{
    (void)values;
    *value = (struct value){.type = VALUE_NULL};
    return 0;
}

static inline int on_true(struct msgpack_values **values, struct value *value)
{
    (void)values;
    *value = (struct value){.type = VALUE_BOOL, .number = 1};
    return 0;
}

static inline int on_false(struct msgpack_values **values, struct value *value)
{
    (void)values;
    *value = (struct value){.type = VALUE_BOOL};
    return 0;
}

static inline int on_str(struct msgpack_values **values, const char *begin, const char *text,
                         unsigned len, struct value *value)
{
    (void)values;
    (void)begin;
    if (len == 0)
        text = ""; /* the parser's pointer is invalid then */
    if (!utf8_is_valid(text, len) || memchr(text, '\0', len) != NULL)
        return MSGPACK_UNPACK_PARSE_ERROR;
    *value = (struct value){.type = VALUE_TEXT, .size = len, .text = text};
    return 0;
}

static inline int on_bin(struct msgpack_values **values, const char *begin, const char *data,
                         unsigned len, struct value *value)
{
    (void)values, (void)begin, (void)data, (void)len, (void)value;
    return MSGPACK_UNPACK_PARSE_ERROR;
}

static inline int on_ext(struct msgpack_values **values, const char *begin, const char *data,
                         unsigned len, struct value *value)
{
    return on_bin(values, begin, data, len, value);
}

/* --- MessagePack: lists and maps --- */

/* Reserves the values of a list or map. Each value that arrives is stored there and counted in the
 * size. */
static int begin_container(struct msgpack_values *values, enum value_type type, size_t count,
                           struct value *container)
{
    if (count > values->limit - values->used)
        return MSGPACK_UNPACK_PARSE_ERROR; /* a value has at least one byte */
    if (count > values->capacity - values->used) {
        while (count > values->capacity - values->used)
            values->capacity *= 2;
        values->values = memory_resize(values->values, values->capacity * sizeof(*values->values));
    }
    *container = (struct value){.type = type, ._first = (uint32_t)values->used};
    values->used += count;
    return 0;
}

static inline int on_array(struct msgpack_values **values, unsigned count, struct value *list)
{
    return begin_container(*values, VALUE_LIST, count, list);
}

static inline int on_array_item(struct msgpack_values **values, struct value *list,
                                struct value item)
{
    (*values)->values[list->_first + list->size++] = item;
    return 0;
}

static inline int on_map(struct msgpack_values **values, unsigned count, struct value *map)
{
    if (count > MSGPACK_MAX_MEMBERS)
        return MSGPACK_UNPACK_PARSE_ERROR;
    return begin_container(*values, VALUE_MAP, (size_t)count * 2, map);
}

static inline int on_map_item(struct msgpack_values **values, struct value *map, struct value name,
                              struct value member)
{
    struct value *members = (*values)->values + map->_first;
    size_t at = (size_t)map->size * 2;

    if (name.type != VALUE_TEXT)
        return MSGPACK_UNPACK_PARSE_ERROR;
    for (size_t i = 0; i < at; i += 2)
        if (members[i].size == name.size && memcmp(members[i].text, name.text, name.size) == 0)
            return MSGPACK_UNPACK_PARSE_ERROR;
    members[at] = name;
    members[at + 1] = member;
    ++map->size;
    return 0;
}

#include <msgpack/unpack_template.h>

bool msgpack_read(const char *bytes, size_t len, struct msgpack_values *values, struct value *root)
{
    struct parser_context parser;
    size_t read = 0;

    /* An eighth of the bytes: enough for a batch or an answer with paths of usual length. */
    *values = (struct msgpack_values){.limit = len, .capacity = 16 + len / 8};
    values->values = memory_resize(NULL, values->capacity * sizeof(*values->values));
    parser.user = values;
    parser_init(&parser);
    if (parser_execute(&parser, bytes, len, &read) != 1 || read != len)
        return false;
    *root = parser_data(&parser);
    return true;
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

/* --- a message --- */

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

struct value message_item(const struct message *message, struct value list, size_t i)
{
    return message->_encoding == ENCODING_JSON ? value_of_json(json_array_get(list._json, i))
                                               : message->_values[list._first + i];
}
