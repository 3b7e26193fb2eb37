/* Assertions on what a page has in its buffer. Include it after cmocka.h. */
#ifndef TESTS_UNIT_PAGE_FIXTURE_H
#define TESTS_UNIT_PAGE_FIXTURE_H

#include <string.h>

#include "base/buffer.h"

/* The buffer's text, ended; it is freed with the buffer. */
static inline const char *text_of(struct buffer *buffer)
{
    buffer_add(buffer, "", 1);
    --buffer->len;
    return buffer->bytes;
}

static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("%s\nis not in\n%s", part, text);
}

#endif
