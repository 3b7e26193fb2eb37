/* Reads gzip with zlib, which checks lengths and checksums. */
#ifndef TESTS_INFLATE_H
#define TESTS_INFLATE_H

#include "base/buffer.h"

#define ZLIB_CONST
#include <zlib.h>

/* Appends the text of the gzip member at the beginning of `bytes`. Returns the length of the
 * member, or 0 if there is none. */
static inline size_t inflate_member(struct buffer *to, const char *bytes, size_t len)
{
    z_stream stream = {.next_in = (const Bytef *)bytes, .avail_in = (uInt)len};
    int result = inflateInit2(&stream, 16 + MAX_WBITS);
    size_t taken;

    while (result == Z_OK) {
        stream.next_out = (Bytef *)buffer_reserve(to, 65536);
        stream.avail_out = 65536;
        result = inflate(&stream, Z_NO_FLUSH);
        to->len += 65536 - stream.avail_out;
    }
    taken = result == Z_STREAM_END ? len - stream.avail_in : 0;
    inflateEnd(&stream);
    return taken;
}

#endif
