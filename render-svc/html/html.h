/* Text in HTML: whatever a stranger has put into a path, it is shown as text, and shown whole.
 *
 * Text is valid UTF-8. What it may hold and HTML may not (control characters, noncharacters) never
 * gets into the page. What nobody could see in a path, or what would move its other characters
 * about (zero width, direction, blanks that look like another or like none), is shown by its
 * number, as U+202E: two paths that differ look different.
 */
#ifndef RENDER_HTML_HTML_H
#define RENDER_HTML_HTML_H

#include "base/buffer.h"
#include "render-svc/html/link.h"

#include <stdbool.h>

/* Appends text, escaped for elements and quoted attributes. What HTML cannot hold becomes U+FFFD;
 * all else stays as it is. */
void html_add_text(struct buffer *to, const char *text, size_t len);

/* Appends HTML as printf would write it, with one difference: `%s` and `%.*s` are text, escaped as html_add_text
 * does. So a page reads as a page, and no text becomes markup by mistake:
 *
 *     html_add(to, "<td>%.*s</td><td>%'jd</td>\n", (int)len, text, count);
 *
 * Conversions: %s %.*s %d %u %zu %jd %06x %.4g %%, and %'jd for a number with its thousands apart. Another one ends
 * the program. The compiler checks the arguments. A format costs about 10 ns for each conversion; the rows of the
 * table, which are rendered with every batch, do without. */
void html_add(struct buffer *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends a path for an element: what is hidden in it in a small frame (an <i>). */
void html_add_path(struct buffer *to, const char *path, size_t len);

/* The same for a quoted attribute: what is hidden in brackets, [U+202E]. */
void html_add_path_attribute(struct buffer *to, const char *path, size_t len);

/* Appends a link to the path's page, from `href="` on: `<a ` stands before it already, so that it
 * can have attributes of its own. A path of more than `whole` bytes is in two parts, of which the
 * first is ellipsed when the place is short; then the whole is its title, which is what screen
 * readers say. Returns how many bytes the percent-encoded path has; before it stand HTML_LINK_HREF, the
 * base (link.h) and LINK_PATHS. */
size_t html_add_path_link(struct buffer *to, const char *path, size_t len, size_t whole);
#define HTML_LINK_HREF "href=\""

/* Appends a number, which is never negative, with its thousands apart. */
void html_add_number(struct buffer *to, int64_t number);

#endif
