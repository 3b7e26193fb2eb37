/* gzip (RFC 1952), assembled from pieces that were compressed at different times.
 *
 * A piece is text that was compressed by itself: raw deflate (RFC 1951) that ends on a byte
 * boundary and refers to nothing before it. A gzip member consists of GZIP_HEAD, any pieces in any
 * order, and gzip_add_end. So the text that many visitors share is compressed once, and each
 * private text goes between its pieces.
 *
 *     struct gzip_sum sum = gzip_add_piece(gzip, &body, text, len);
 *     sum = gzip_join(sum, gzip_add_plain(&body, private, private_len));
 *     gzip_add_end(&body, sum);
 *
 * A struct gzip belongs to one thread. Running out of memory ends the process, as in libh2o.
 */
#ifndef RENDER_HTML_GZIP_H
#define RENDER_HTML_GZIP_H

#include "base/buffer.h"

/* The header of a member: deflate, no name, no time, unknown system. */
#define GZIP_HEAD "\x1f\x8b\x08\0\0\0\0\0\0\xff"

/* Sizes of answers to compress: a shorter one gains little, a longer one would block the loop for
 * too long (a megabyte takes about ten milliseconds). */
#define GZIP_MIN_BYTES 1024
#define GZIP_MAX_BYTES 1048576

/* Checksum and length of text, which the end of a member contains. All zero: of no text. */
struct gzip_sum {
    uint32_t crc;
    uint32_t len; /* modulo 2^32 */
};

/* The compressor. It takes about 260 kB from the first piece on. */
struct gzip;

/* `level` is a level of zlib, 1 (fast) to 9 (small). */
struct gzip *gzip_create(int level);

/* Takes NULL. */
void gzip_destroy(struct gzip *gzip);

/* Appends a piece: `len` bytes of text, compressed. Returns the sum of that text. */
struct gzip_sum gzip_add_piece(struct gzip *gzip, struct buffer *to, const char *text, size_t len);

/* Appends a piece that contains the text uncompressed. It is fast, and adds 5 bytes for each
 * 65,535. */
struct gzip_sum gzip_add_plain(struct buffer *to, const char *text, size_t len);

/* Returns the sum of a text that consists of two. */
struct gzip_sum gzip_join(struct gzip_sum first, struct gzip_sum second);

/* Appends the end of the member; `sum` is of all its pieces. */
void gzip_add_end(struct buffer *to, struct gzip_sum sum);

/* Appends a whole member with one piece. */
void gzip_add(struct gzip *gzip, struct buffer *to, const char *text, size_t len);

#endif
