/* The texts of live changes: snapshots, changes, and the ids with which subscribers reconnect. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "render-svc/html/live_text.h"

static const struct live_id ID = {0x1f, 0x2a};
#define HEAD "id: 000000000000001f-2a\nevent: "

static void assert_text(struct buffer *found, const char *expected)
{
    if (found->len != strlen(expected) || memcmp(found->bytes, expected, found->len) != 0)
        fail_msg("%.*s\nis not\n%s", (int)found->len, found->bytes, expected);
    buffer_free(found);
}

static void a_snapshot_is_one_event_with_all_rows(void **state)
{
    struct row some[] = {{"/b\n\r", 4, 9, 0}, {"/a", 2, 8, 0}};
    struct rows rows = {.size = 2, .rows = some, .totals = {2, 17, 0}};
    struct buffer text = {0};

    (void)state;
    live_add_snapshot(&text, &ID, &rows);
    assert_text(
        &text,
        HEAD "snapshot\ndata: {\"rows\":[{\"path\":\"/b\\u000A\\u000D\",\"count\":9,\"bots\":0},"
             "{\"path\":\"/"
             "a\",\"count\":8,\"bots\":0}],\"totals\":{\"paths\":2,\"hits\":17,\"bots\":0}}\n\n");
}

static void a_change_has_the_new_changed_and_gone_rows(void **state)
{
    struct row old[] = {{"/same", 5, 9, 0}, {"/more", 5, 8, 0}, {"/gone", 5, 7, 0}};
    struct row new[] = {{"/same", 5, 9, 0}, {"/more", 5, 10, 0}, {"/new", 4, 7, 0}};
    struct rows before = {.size = 3, .rows = old, .totals = {3, 24, 0}};
    struct rows after = {.size = 3, .rows = new, .totals = {4, 33, 0}};
    struct buffer text = {0};

    (void)state;
    assert_true(live_add_change(&text, &ID, &before, &after));
    assert_text(&text, HEAD "change\ndata: {\"rows\":[{\"path\":\"/more\",\"count\":10,\"bots\":0},"
                            "{\"path\":\"/new\",\"count\":7,\"bots\":0}],\"gone\":[\"/gone\"],"
                            "\"totals\":{\"paths\":4,\"hits\":33,\"bots\":0}}\n\n");
}

static void without_a_change_there_is_no_event(void **state)
{
    struct row some[] = {{"/a", 2, 9, 0}, {"/b", 2, 8, 0}},
               swapped[] = {{"/b", 2, 8, 0}, {"/a", 2, 9, 0}};
    struct rows before = {.size = 2, .rows = some, .totals = {2, 17, 0}};
    struct rows after = {.size = 2, .rows = swapped, .totals = {2, 17, 0}};
    struct rows none = {0};
    struct buffer text = {0};

    (void)state;
    buffer_add_literal(&text, "x");
    assert_false(live_add_change(&text, &ID, &before, &after));
    assert_false(live_add_change(&text, &ID, &none, &none));
    assert_text(&text, "x");
}

static void other_totals_are_a_change(void **state)
{
    struct rows before = {.totals = {2, 17, 0}}, after = {.totals = {2, 18, 0}};
    struct buffer text = {0};

    (void)state;
    assert_true(live_add_change(&text, &ID, &before, &after));
    assert_text(&text, HEAD "change\ndata: {\"rows\":[],\"gone\":[],"
                            "\"totals\":{\"paths\":2,\"hits\":18,\"bots\":0}}\n\n");
}

/* The maximum of rows; every second one changes. */
static void a_view_of_1000_rows_is_compared_row_by_row(void **state)
{
    static char paths[VIEW_MAX_ROWS][16];
    struct row *old = calloc(VIEW_MAX_ROWS, sizeof(*old)),
               *new = calloc(VIEW_MAX_ROWS, sizeof(*new));
    struct rows before = {.size = VIEW_MAX_ROWS, .rows = old};
    struct rows after = {.size = VIEW_MAX_ROWS, .rows = new};
    struct buffer text = {0};
    size_t rows = 0;

    (void)state;
    for (size_t i = 0; i < VIEW_MAX_ROWS; i++) {
        int len = snprintf(paths[i], sizeof(paths[i]), "/%zu", i);
        old[i] = (struct row){paths[i], (size_t)len, 5, 0};
        new[VIEW_MAX_ROWS - 1 - i] = (struct row){paths[i], (size_t)len, 5 + (int64_t)(i % 2), 0};
    }
    assert_true(live_add_change(&text, &ID, &before, &after));
    for (size_t i = 0; i + 9 < text.len; i++)
        rows += memcmp(text.bytes + i, "\"count\":6", 9) == 0;
    assert_int_equal(rows, VIEW_MAX_ROWS / 2);
    assert_null(memmem(text.bytes, text.len, "\"count\":5", 9));
    assert_non_null(memmem(text.bytes, text.len, "\"gone\":[]", 9));
    buffer_free(&text);
    free(old);
    free(new);
}

static void an_id_is_read_back(void **state)
{
    struct buffer text = {0};
    struct rows none = {0};
    struct live_id id;
    const char *end;

    (void)state;
    live_add_snapshot(&text, &(struct live_id){UINT64_MAX, UINT64_MAX}, &none);
    end = memchr(text.bytes, '\n', text.len);
    assert_true(live_id_read(text.bytes + 4, (size_t)(end - text.bytes - 4), &id));
    assert_true(id.epoch == UINT64_MAX && id.generation == UINT64_MAX);
    buffer_free(&text);
}

static void an_invalid_id_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "-",
        "1",
        "1-",
        "-1",
        "1-2-3",
        "1-2 ",
        "x-1",
        "1-x",
        "1:2",
        "00000000000000001-1",
        "1111111111111111111111111111111111111111111111111111111111111111111111111111111111-1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct live_id id;

        if (live_id_read(texts[i], strlen(texts[i]), &id))
            fail_msg("%s", texts[i]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_is_one_event_with_all_rows),
        cmocka_unit_test(a_change_has_the_new_changed_and_gone_rows),
        cmocka_unit_test(without_a_change_there_is_no_event),
        cmocka_unit_test(other_totals_are_a_change),
        cmocka_unit_test(a_view_of_1000_rows_is_compared_row_by_row),
        cmocka_unit_test(an_id_is_read_back),
        cmocka_unit_test(an_invalid_id_is_refused),
    };

    return cmocka_run_group_tests_name("live text", tests, NULL, NULL);
}
