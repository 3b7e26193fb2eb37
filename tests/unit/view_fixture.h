/* Tests of views: queries that are parsed, and the errors of refused ones. */
#ifndef TESTS_UNIT_VIEW_FIXTURE_H
#define TESTS_UNIT_VIEW_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/view.h"

#define SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define BAD_ORDER   "\"order\" is neither count nor path."
#define BAD_PERIOD  "\"period\" is not all, today, 24h, 7d or 30d."
#define BAD_BOTS    "\"bots\" is neither include nor exclude."
#define BAD_LIMIT   "\"limit\" is not from 1 to 1,000."
#define NO_NUMBER   "\"limit\" is not a whole number."
#define BAD_PREFIX  "\"prefix\" is not UTF-8 text of at most 2,048 bytes."
#define BAD_CURSOR  "\"after\" or \"before\" is not a cursor."
#define OTHER_ORDER "The cursor belongs to the other order."
#define TWICE       "A query parameter occurs more than once."
#define NO_VALUE    "A query parameter has no valid value."
#define UNKNOWN     "Unknown query parameter; use order, prefix, period, bots, limit, after or before."

/* Parses a copy of exactly `len` bytes, so that AddressSanitizer finds reads beyond them. */
static int parse(const char *query, size_t len, struct view *view, const char **error)
{
    char *copy = malloc(len);
    int result;

    memcpy(copy, query, len);
    *error = NULL;
    result = view_parse(copy, len, view, error);
    free(copy);
    return result;
}

static struct view view_of(const char *query)
{
    struct view view;
    const char *error;

    if (parse(query, strlen(query), &view, &error) != 0)
        fail_msg("%.100s was refused: %s", query, error);
    return view;
}

static void assert_refused(const char *query, const char *sentence)
{
    struct view view;
    const char *error;

    if (parse(query, strlen(query), &view, &error) == 0)
        fail_msg("%.100s was taken", query);
    assert_string_equal(error, sentence);
}

#endif
