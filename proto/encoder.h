/* Writing a message in either encoding. One function writes a message for both, so that both have the
 * same members. The calls stand in the order of the text:
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
 * The number of members or items is said at the beginning and is not checked. Numbers are written in as
 * few bytes as they need. Nothing fails.
 */
#ifndef PROTO_ENCODER_H
#define PROTO_ENCODER_H

#include "base/buffer.h"
#include "proto/encoding.h"

struct encoder {
    struct buffer *to;
    enum encoding encoding;
    bool _comma; /* JSON only: something stands before in the same list or map */
};

/* Up to 2^32 - 1 members or items. */
void encode_map(struct encoder *encoder, size_t members);
void encode_map_end(struct encoder *encoder);

/* Lets one more member be added, which comes next, to a map of at most 14 that the buffer holds alone and
 * that was ended. */
void encode_map_reopen(struct encoder *encoder);

void encode_list(struct encoder *encoder, size_t items);
void encode_list_end(struct encoder *encoder);

/* A member's name: ASCII without quotes or backslashes. Its value comes next. */
void encode_name(struct encoder *encoder, const char *name);

void encode_int(struct encoder *encoder, int64_t number);
void encode_bool(struct encoder *encoder, bool value);

/* Valid UTF-8; NULL becomes null. */
void encode_text(struct encoder *encoder, const char *text, size_t len);

/* A value that was encoded before, in the same encoding. */
void encode_copy(struct encoder *encoder, const struct buffer *value);

#endif
