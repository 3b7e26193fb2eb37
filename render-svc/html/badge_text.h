/* The text of a badge and its width. Any thread.
 *
 * SVG has no layout: the width of a badge is fixed before the browser chooses the fonts. Widths are
 * those of Verdana for the letters that Verdana has: Latin, Greek and Cyrillic. Other widths are
 * estimates, because the browser takes another font and shapes the text: it joins letters, stacks
 * marks, and draws one emoji for several characters.
 */
#ifndef RENDER_HTML_BADGE_TEXT_H
#define RENDER_HTML_BADGE_TEXT_H

#include "base/buffer.h"

#include <stdbool.h>

/* Appends valid UTF-8 as SVG shows it in a line: without spaces at either end, and with one space
 * for several in a row. `capitals`: in capital letters, if the letters have capitals. */
void badge_text_add(struct buffer *to, const char *text, size_t len, bool capitals);

struct badge_font {
    int size; /* in pixels */
    bool is_bold;
};

/* Returns the width of a text from badge_text_add, in pixels. Sets `is_known` if the width is
 * Verdana's and clears it if the width is an estimate. */
int badge_text_width(const char *text, size_t len, const struct badge_font *font, bool *is_known);

/* Returns the number of characters (code points). */
size_t badge_text_count(const char *text, size_t len);

#endif
