/* The two encodings of a message between the services: JSON (RFC 8259), which every program can
 * use, and MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), which takes a
 * fraction of the time to read and write. Both have the same members under the same names.
 *
 * Content-Type names the encoding of a body, Accept the one that an answer shall have, and
 * Accept-Post (W3C Linked Data Platform 1.0, 7.1) those that counter-svc reads. All functions from
 * any thread.
 */
#ifndef PROTO_ENCODING_H
#define PROTO_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
