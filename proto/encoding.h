/* The two encodings of a message between the services: JSON (RFC 8259), which every program can
 * use, and MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), which takes a
 * fraction of the time to read and write. Both have the same members under the same names.
 *
 * This module has the names of the encodings in HTTP headers, and writes messages. message.h reads
 * them. All functions from any thread.
 */
#ifndef PROTO_ENCODING_H
#define PROTO_ENCODING_H

#include "base/buffer.h"

#include <stdbool.h>

/* --- the names of encodings in HTTP headers --- */

/* Content-Type names the encoding of a body, Accept the one that the client wants for the answer,
 * and Accept-Post (W3C Linked Data Platform 1.0, 7.1) those that counter-svc reads. */
enum encoding { ENCODING_JSON, ENCODING_MSGPACK, N_ENCODINGS };

#define MEDIA_JSON    "application/json"
#define MEDIA_MSGPACK "application/vnd.msgpack"

/* The value of Accept and Accept-Post for both encodings. */
#define MEDIA_BOTH MEDIA_MSGPACK ", " MEDIA_JSON

/* Returns the media type of an encoding. */
const char *encoding_media_type(enum encoding encoding) __attribute__((const));

/* Returns the encoding that a header names, by the `len` bytes of its value: MessagePack if the
 * value is or lists MEDIA_MSGPACK (in any case, with any parameters except a weight of 0),
 * otherwise JSON. So a missing header, an unknown type and a wildcard mean JSON. For Content-Type,
 * Accept and Accept-Post. */
enum encoding encoding_named(const char *value, size_t len);

/* --- writing a message --- */

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
