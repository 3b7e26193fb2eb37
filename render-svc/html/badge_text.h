/* The text of a badge: as it is shown, and how wide. Any thread.
 *
 * An SVG has no layout: the width of a badge is fixed before anybody knows which fonts will show its
 * text. Widths are those of Verdana where Verdana has the letters: Latin, Greek and Cyrillic. They
 * are estimates everywhere else, because the browser takes another font and shapes the text: it joins
 * letters, stacks marks, and draws one emoji for several characters.
 */
#ifndef RENDER_HTML_BADGE_TEXT_H
#define RENDER_HTML_BADGE_TEXT_H

#include "base/buffer.h"

#include <stdbool.h>

/* Appends valid UTF-8 as SVG shows it in a line: without spaces at either end, one space for several
 * in a row. With `capitals` its letters become capital letters where they have such. */
void badge_text_add(struct buffer *to, const char *text, size_t len, bool capitals);

struct badge_font {
    int size; /* in pixels */
    bool is_bold;
};

/* Returns how wide a text from badge_text_add is, in pixels. Sets `is_known` to whether the width is
 * Verdana's and not an estimate. */
int badge_text_width(const char *text, size_t len, const struct badge_font *font, bool *is_known);

/* Returns the number of characters (code points). */
size_t badge_text_count(const char *text, size_t len);

#endif
