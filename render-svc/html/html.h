/* Writing HTML. Strangers choose the paths, so a path is always shown as text, and completely. Any
 * thread.
 *
 * Text is valid UTF-8. Characters that HTML cannot contain (control characters, noncharacters)
 * become U+FFFD. In a path, some characters are shown by their code, such as U+202E: invisible ones,
 * those that change the direction of others, and blanks other than the space. So two different
 * paths look different.
 */
#ifndef RENDER_HTML_HTML_H
#define RENDER_HTML_HTML_H

#include "base/buffer.h"
#include "render-svc/html/link.h"

#include <stdbool.h>

/* Appends text, escaped for elements and quoted attributes. */
void html_add_text(struct buffer *to, const char *text, size_t len);

/* Appends HTML as printf would write it, with one difference: `%s` and `%.*s` are text, escaped as
 * html_add_text does. So a page reads as a page, and no text becomes markup by mistake:
 *
 *     html_add(to, "<td>%.*s</td><td>%'jd</td>\n", (int)len, text, count);
 *
 * Conversions: %s %.*s %d %u %zu %jd %06x %.4g %%, and %'jd for a number with its thousands apart.
 * Any other conversion ends the program. The compiler checks the arguments. Each conversion takes
 * about 10 ns. The rows of the table are rendered for every batch, so they do not use this
 * function. */
void html_add(struct buffer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends a path for an element. Codes of hidden characters are in a small frame (an <i>). */
void html_add_path(struct buffer *to, const char *path, size_t len);

/* The same for a quoted attribute. Codes of hidden characters are in brackets, [U+202E]. */
void html_add_path_attribute(struct buffer *to, const char *path, size_t len);

/* Appends a link to a path's page, from `href="` to `</a>`; the caller appends `<a ` before it,
 * with any attributes of its own. A path of more than `whole` bytes has two parts, of which the
 * browser ellipses the first if there is too little room; the whole path is then the title, which
 * screen readers read. Returns how many bytes the percent-encoded path has; HTML_LINK_HREF, the
 * base (link.h) and LINK_PATHS stand before it. */
size_t html_add_path_link(struct buffer *to, const char *path, size_t len, size_t whole);
#define HTML_LINK_HREF "href=\""

/* Appends a number, from 0, with its thousands apart: 1,234,567. */
void html_add_number(struct buffer *to, int64_t number);

#endif
