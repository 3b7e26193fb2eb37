/* The invariants of the page and of its rows: each test breaks one, and the program ends. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "render-svc/html/html.h"
#include "render-svc/html/rendered_rows.h"
#include "tests/unit/violates.h"

static void add_unknown_conversion(void)
{
    struct buffer html = {0};
    const char *format = "%s %x";

    html_add(&html, format, "a", 1);
}

static void a_format_has_known_conversions_only(void **state)
{
    (void)state;
    assert_violates(add_unknown_conversion, "take(&format, \"%\")");
}

/* --- rows --- */

static void mark(unsigned row)
{
    atomic_uint_fast64_t unsent = 0;
    struct output_budget budget;
    struct rows none = {0};
    struct shared_rows shared = {.rows = &none};
    struct gzip *gzip = gzip_create(1);

    output_budget_init(&budget, 1000000, &unsent);
    rendered_rows_marked(rendered_rows_of(&shared, &budget), row, gzip);
}

static void mark_before_the_first(void)
{
    mark(0);
}

static void mark_behind_the_last(void)
{
    mark(PAGE_ROWS + 1);
}

static void a_marked_row_is_on_the_page(void **state)
{
    (void)state;
    assert_violates(mark_before_the_first, "row >= 1 && row <= PAGE_ROWS");
    assert_violates(mark_behind_the_last, "row >= 1 && row <= PAGE_ROWS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_format_has_known_conversions_only),
        cmocka_unit_test(a_marked_row_is_on_the_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
