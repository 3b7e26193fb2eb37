/* Writes a message in either encoding. The same calls write both, so both have the same members:
 *
 *     struct encoder encoder = {.to = to, .encoding = ENCODING_MSGPACK};
 *     encode_map(&encoder, 2);           {
 *     encode_name(&encoder, "lane");      "lane":
 *     encode_int(&encoder, 17);           17,
 *     encode_name(&encoder, "paths");     "paths":
 *     encode_list(&encoder, 1);           [
 *     encode_text(&encoder, "/a", 2);     "/a"
 *     encode_list_end(&encoder);          ]
 *     encode_map_end(&encoder);          }
 *
 * The caller gives the number of members or items at the beginning; it is not checked. Numbers take
 * as few bytes as possible. Nothing fails.
 */
#ifndef PROTO_ENCODER_H
#define PROTO_ENCODER_H

#include "base/buffer.h"
#include "proto/encoding.h"

struct encoder {
    struct buffer *to;
    enum encoding encoding;
    bool _comma; /* JSON only: the next item needs a comma before it */
};

/* Up to 2^32 - 1 members or items. */
void encode_map(struct encoder *encoder, size_t members);
void encode_map_end(struct encoder *encoder);

/* Reopens a map that was ended, to add one more member. The map must be the only content of the
 * buffer and have at most 14 members. */
void encode_map_reopen(struct encoder *encoder);

void encode_list(struct encoder *encoder, size_t items);
void encode_list_end(struct encoder *encoder);

/* Writes the name of a member: ASCII without quotes or backslashes. The caller writes its value
 * next. */
void encode_name(struct encoder *encoder, const char *name);

void encode_int(struct encoder *encoder, int64_t number);
void encode_bool(struct encoder *encoder, bool value);

/* Valid UTF-8; NULL becomes null. */
void encode_text(struct encoder *encoder, const char *text, size_t len);

/* Copies a value that was encoded before, in the same encoding. */
void encode_copy(struct encoder *encoder, const struct buffer *value);

#endif
