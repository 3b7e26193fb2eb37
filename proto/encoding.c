#include "proto/encoding.h"

#include <assert.h>
#include <msgpack/pack.h>
#include <string.h>
#include <strings.h>

/* --- the names of encodings in HTTP headers --- */

const char *encoding_media_type(enum encoding encoding)
{
    return encoding == ENCODING_MSGPACK ? MEDIA_MSGPACK : MEDIA_JSON;
}

/* Returns the length of the text before `separator`, or of all. */
static size_t length_before(const char *text, size_t len, char separator)
{
    const char *at = memchr(text, separator, len);

    return at != NULL ? (size_t)(at - text) : len;
}

/* Cuts off white space at both ends. */
static const char *trim(const char *text, size_t *len)
{
    while (*len != 0 && (*text == ' ' || *text == '\t')) {
        ++text;
        --*len;
    }
    while (*len != 0 && (text[*len - 1] == ' ' || text[*len - 1] == '\t'))
        --*len;
    return text;
}

/* Returns whether a parameter is a weight of 0: "q=0", "q=0.0" (RFC 9110, 12.4.2). */
static bool is_weight_0(const char *parameter, size_t len)
{
    parameter = trim(parameter, &len);
    if (len < 3 || strncasecmp(parameter, "q=0", 3) != 0)
        return false;
    for (size_t i = 3; i < len; ++i)
        if (parameter[i] != '.' && parameter[i] != '0')
            return false;
    return true;
}

/* Returns whether a member of a list is MEDIA_MSGPACK, with a weight above 0. */
static bool is_msgpack(const char *member, size_t len)
{
    size_t type_len = length_before(member, len, ';'), at = type_len;
    const char *type = trim(member, &type_len);

    if (type_len != sizeof(MEDIA_MSGPACK) - 1 || strncasecmp(type, MEDIA_MSGPACK, type_len) != 0)
        return false;
    while (at < len) {
        size_t parameter_len = length_before(member + at + 1, len - at - 1, ';');
        if (is_weight_0(member + at + 1, parameter_len))
            return false;
        at += 1 + parameter_len;
    }
    return true;
}

enum encoding encoding_named(const char *value, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t member_len = length_before(value + at, len - at, ',');
        if (is_msgpack(value + at, member_len))
            return ENCODING_MSGPACK;
        at += member_len + 1;
    }
    return ENCODING_JSON;
}

/* --- writing a message --- */

/* msgpack-c calls it to write bytes. */
static inline int add_bytes(void *data, const char *bytes, size_t len)
{
    buffer_add(data, bytes, len);
    return 0;
}

static inline msgpack_packer packer_of(const struct encoder *encoder)
{
    return (msgpack_packer){encoder->to, add_bytes};
}

static bool is_json(const struct encoder *encoder)
{
    return encoder->encoding == ENCODING_JSON;
}

/* Writes the comma before a value or name of JSON, if it needs one. */
static void separate(struct encoder *encoder)
{
    if (encoder->_comma)
        buffer_add_literal(encoder->to, ",");
    encoder->_comma = true;
}

void encode_map(struct encoder *encoder, size_t members)
{
    msgpack_packer packer = packer_of(encoder);

    if (is_json(encoder)) {
        separate(encoder);
        buffer_add_literal(encoder->to, "{");
        encoder->_comma = false;
    } else {
        msgpack_pack_map(&packer, members);
    }
}

void encode_map_end(struct encoder *encoder)
{
    if (is_json(encoder))
        buffer_add_literal(encoder->to, "}");
    encoder->_comma = true;
}

void encode_map_reopen(struct encoder *encoder)
{
    char *head = encoder->to->bytes;

    if (is_json(encoder)) {
        assert(head[0] == '{' && head[encoder->to->len - 1] == '}');
        --encoder->to->len;
        encoder->_comma = encoder->to->len > 1;
    } else {
        assert((head[0] & 0xF0) == 0x80 && (head[0] & 0x0F) != 0x0F);
        ++head[0]; /* the number of its members */
    }
}

void encode_list(struct encoder *encoder, size_t items)
{
    msgpack_packer packer = packer_of(encoder);

    if (is_json(encoder)) {
        separate(encoder);
        buffer_add_literal(encoder->to, "[");
        encoder->_comma = false;
    } else {
        msgpack_pack_array(&packer, items);
    }
}

void encode_list_end(struct encoder *encoder)
{
    if (is_json(encoder))
        buffer_add_literal(encoder->to, "]");
    encoder->_comma = true;
}

void encode_name(struct encoder *encoder, const char *name)
{
    encode_text(encoder, name, strlen(name));
    if (is_json(encoder)) {
        buffer_add_literal(encoder->to, ":");
        encoder->_comma = false;
    }
}

void encode_int(struct encoder *encoder, int64_t number)
{
    msgpack_packer packer = packer_of(encoder);

    if (is_json(encoder)) {
        separate(encoder);
        buffer_add_int(encoder->to, number);
    } else {
        msgpack_pack_int64(&packer, number);
    }
}

void encode_bool(struct encoder *encoder, bool value)
{
    msgpack_packer packer = packer_of(encoder);

    if (is_json(encoder)) {
        separate(encoder);
        buffer_add_string(encoder->to, value ? "true" : "false");
    } else if (value) {
        msgpack_pack_true(&packer);
    } else {
        msgpack_pack_false(&packer);
    }
}

void encode_text(struct encoder *encoder, const char *text, size_t len)
{
    msgpack_packer packer = packer_of(encoder);

    if (is_json(encoder)) {
        separate(encoder);
        if (text != NULL)
            buffer_add_json(encoder->to, text, len);
        else
            buffer_add_literal(encoder->to, "null");
    } else if (text != NULL) {
        msgpack_pack_str(&packer, len);
        buffer_add(encoder->to, text, len);
    } else {
        msgpack_pack_nil(&packer);
    }
}

void encode_copy(struct encoder *encoder, const struct buffer *value)
{
    if (is_json(encoder))
        separate(encoder);
    buffer_add(encoder->to, value->bytes, value->len);
}
