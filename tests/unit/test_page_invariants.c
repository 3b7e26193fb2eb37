/* The invariants of the page, of its rows and of live views: each test makes a state that our own code must never
 * reach, and the program ends. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "render-svc/html/html.h"
#include "render-svc/html/rendered_rows.h"
#include "render-svc/public/live_private.h"
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

/* --- live views --- */

static void read_twice(void)
{
    struct live_view view = {.is_reading = true};

    live_view_read(&view);
}

static void a_live_view_has_one_read_in_flight(void **state)
{
    (void)state;
    assert_violates(read_twice, "!view->is_reading");
}

static void send_from_the_future(void)
{
    struct live_view view = {.id = {.generation = 3}};

    live_view_text(&view, 4);
}

static void a_subscriber_has_no_newer_rows_than_its_view(void **state)
{
    (void)state;
    assert_violates(send_from_the_future, "generation <= view->id.generation");
}

static void free_uncounted(void)
{
    struct live live = {0};
    struct live_view view = {.live = &live};

    live_view_free(&view);
}

static void a_live_view_that_is_freed_was_counted(void **state)
{
    (void)state;
    assert_violates(free_uncounted, "view->live->n_views > 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_format_has_known_conversions_only),
        cmocka_unit_test(a_marked_row_is_on_the_page),
        cmocka_unit_test(a_live_view_has_one_read_in_flight),
        cmocka_unit_test(a_subscriber_has_no_newer_rows_than_its_view),
        cmocka_unit_test(a_live_view_that_is_freed_was_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
