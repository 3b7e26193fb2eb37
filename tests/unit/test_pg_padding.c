/* Execute and Sync leave in one write, by a model of libpq's buffer. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "counter-svc/ledger/pg.h"

/* Models libpq (fe-misc.c): while it assembles messages, it writes whole blocks of 8,192 bytes as
 * soon as its buffer has them. Returns whether a write ends after Execute, but before the end of
 * Sync. */
static bool is_cut(size_t bind)
{
    const size_t messages[] = {bind, 7, 10, 5};
    size_t in_buffer = 0, written = 0, total = 0;
    bool cut = false;

    for (size_t i = 0; i < 4; i++) {
        total += messages[i];
        in_buffer += messages[i];
        if (in_buffer >= 8192) {
            written += in_buffer - in_buffer % 8192;
            in_buffer %= 8192;
        }
        cut |= written >= bind + 17 && written < bind + 22;
    }
    return cut && total != written;
}

/* Returns the length of a Bind message with one value. The statement's name has six letters. */
static size_t bind_bytes(size_t value)
{
    return 5 + 1 + 7 + 2 + 2 + 2 + 4 + value + 2 + 2;
}

static void execute_and_sync_are_never_in_two_writes(void **state)
{
    size_t cut = 0;

    (void)state;
    for (size_t value = 0; value < 200000; value++) {
        struct pg_parameter parameter = {NULL, value};
        size_t padding = pg_padding("append", &parameter, 1);
        assert_in_range(padding, 0, 5);
        assert_int_equal(padding != 0 && value > 8192, is_cut(bind_bytes(value)) && value > 8192);
        assert_false(is_cut(bind_bytes(value + padding)));
        cut += padding != 0;
    }
    assert_true(cut >= 5UL * (200000 / 8192));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(execute_and_sync_are_never_in_two_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
