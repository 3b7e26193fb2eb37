#include "proto/encoder.h"

#include <assert.h>
#include <msgpack/pack.h>

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
