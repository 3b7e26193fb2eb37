#include "render-svc/html/gzip.h"

#include "base/memory.h"

#define ZLIB_CONST /* input is constant */
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

/* Raw deflate with the largest window; zlib's default amount of memory. */
#define WINDOW_BITS  (-15)
#define MEMORY_LEVEL 8

/* A stored block (RFC 1951, 3.2.4): at most so many bytes, after a header of so many. */
#define STORED_MAX_BYTES  65535
#define STORED_HEAD_BYTES 5

/* Room for a compressed page, so that the buffer seldom grows. */
#define ROOM_BYTES 4096

struct gzip {
    int level;
    bool begun; /* the stream has its memory */
    z_stream stream;
};

struct gzip *gzip_create(int level)
{
    struct gzip *gzip = memory_allocate(1, sizeof(*gzip));

    gzip->level = level;
    return gzip;
}

void gzip_destroy(struct gzip *gzip)
{
    if (gzip == NULL)
        return;
    if (gzip->begun)
        (void)deflateEnd(&gzip->stream);
    free(gzip);
}

/* Resets the stream. This fails only when memory runs out. */
static void begin(struct gzip *gzip)
{
    int result = gzip->begun ? deflateReset(&gzip->stream)
                             : deflateInit2(&gzip->stream, gzip->level, Z_DEFLATED, WINDOW_BITS,
                                            MEMORY_LEVEL, Z_DEFAULT_STRATEGY);

    if (result != Z_OK)
        abort();
    gzip->begun = true;
}

struct gzip_sum gzip_add_piece(struct gzip *gzip, struct buffer *to, const char *text, size_t len)
{
    z_stream *stream = &gzip->stream;

    begin(gzip);
    stream->next_in = (const Bytef *)text;
    stream->avail_in = (uInt)len;
    /* the flush is complete once deflate leaves room in the buffer */
    do {
        stream->next_out = (Bytef *)buffer_reserve(to, ROOM_BYTES);
        stream->avail_out = (uInt)(to->capacity - to->len);
        (void)deflate(stream, Z_SYNC_FLUSH);
        to->len = to->capacity - stream->avail_out;
    } while (stream->avail_out == 0);
    return (struct gzip_sum){(uint32_t)crc32_z(0, (const Bytef *)text, len), (uint32_t)len};
}

struct gzip_sum gzip_add_plain(struct buffer *to, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t size = len - at < STORED_MAX_BYTES ? len - at : STORED_MAX_BYTES;
        const unsigned char head[STORED_HEAD_BYTES] = {
            0, (unsigned char)size, (unsigned char)(size >> 8), (unsigned char)~size,
            (unsigned char)(~size >> 8)};
        buffer_add(to, head, sizeof(head));
        buffer_add(to, text + at, size);
        at += size;
    }
    return (struct gzip_sum){(uint32_t)crc32_z(0, (const Bytef *)text, len), (uint32_t)len};
}

struct gzip_sum gzip_join(struct gzip_sum first, struct gzip_sum second)
{
    return (struct gzip_sum){(uint32_t)crc32_combine(first.crc, second.crc, second.len),
                             first.len + second.len};
}

void gzip_add_end(struct buffer *to, struct gzip_sum sum)
{
    unsigned char end[10] = {3, 0}; /* an empty last block with fixed codes */

    for (int i = 0; i < 4; ++i) {
        end[2 + i] = (unsigned char)(sum.crc >> (8 * i));
        end[6 + i] = (unsigned char)(sum.len >> (8 * i));
    }
    buffer_add(to, end, sizeof(end));
}

void gzip_add(struct gzip *gzip, struct buffer *to, const char *text, size_t len)
{
    buffer_add_literal(to, GZIP_HEAD);
    gzip_add_end(to, gzip_add_piece(gzip, to, text, len));
}
